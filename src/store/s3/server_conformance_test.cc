// SPDX-License-Identifier: Apache-2.0
#include <cstdlib>

#include "os/clock.h"
#include "os/environment.h"
#include "os/random.h"
#include "store/conformance.h"
#include "store/s3/open_s3_store.h"

// The conformance suite against a real server. HOLDFAST_TEST_S3_URL names a bucket on it (s3://bucket?endpoint=...);
// tests/e2e/s3_server_test.py starts servers and runs this.
namespace holdfast::store {
namespace {

os::RealClock& real_clock() {
  static os::RealClock clock;
  return clock;
}
os::RealRng& real_rng() {
  static os::RealRng rng;
  return rng;
}

OpenedStore open_on_server() {
  static int number = 0;
  std::string url = std::getenv("HOLDFAST_TEST_S3_URL");
  url.insert(std::min(url.find('?'), url.size()), "/conformance/" + std::to_string(++number));
  const auto parts = [&] {
    return *make_s3_parts(*parse_s3_location(url), os::environment_variable, real_clock(), real_rng());
  };
  auto made = S3Store::create_root(parts(), {}, real_clock(), real_rng());
  if (!made) {
    std::fprintf(stderr, "%s\n", made.error().message().c_str());
    std::abort();
  }
  return {.store = std::move(*made), .again = S3Store::open(parts(), real_clock(), real_rng()), .keep = nullptr,
          .refuses_nested_keys = false};
}

INSTANTIATE_TEST_SUITE_P(Server, StoreConformance, ::testing::Values(StoreMaker(open_on_server)));

}  // namespace
}  // namespace holdfast::store
