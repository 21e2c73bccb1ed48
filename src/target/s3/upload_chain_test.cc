// SPDX-License-Identifier: Apache-2.0
#include "target/s3/upload_chain.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "aws/testing.h"
#include "os/testing.h"

namespace holdfast::target {
namespace {

constexpr uint64_t mib = 1 << 20;

// Takes whatever is put and keeps account of what is on its way at the same time.
class CountingTransport : public net::HttpTransport {
 public:
  Result<net::HttpResponse> send(const net::HttpRequest& request) override {
    uint64_t size_bytes = 0;
    for (const ByteView part : *request.body) size_bytes += part.size();
    const uint64_t now = under_way_bytes_ += size_bytes;
    for (uint64_t most = most_bytes; most < now && !most_bytes.compare_exchange_weak(most, now);) {}
    // Whoever may send at the same time gets the chance to; nothing depends on whether it takes it.
    for (int turn = 0; turn < 30'000; ++turn) std::this_thread::yield();
    under_way_bytes_ -= size_bytes;
    ++put_count;
    return aws::http_answer(200, "", {{"ETag", "\"e\""}});
  }
  std::atomic<uint64_t> most_bytes = 0;
  std::atomic<size_t> put_count = 0;

 private:
  std::atomic<uint64_t> under_way_bytes_ = 0;
};

class UploadChainTest : public ::testing::Test {
 protected:
  static aws::ClientOptions options() {
    aws::ClientOptions options;
    options.endpoint = *aws::parse_endpoint("http://s3.example");
    options.scope = {.region = "us-east-1", .service = "s3", .path_rule = aws::PathRule::as_sent};
    return options;
  }
  void upload(const std::string& key, uint64_t size_bytes) {
    format::BucketAttributes attributes;
    attributes.size_bytes = size_bytes;
    const auto upload = std::make_shared<ObjectUpload>(place_, key, attributes);
    const auto chain = std::make_shared<UploadChain>(place_, key);
    const size_t version = chain->add_object();
    ASSERT_TRUE(upload->fill_zeros(0, size_bytes).has_value());
    upload->complete([&] { chain->ready(version, upload); });
  }

  os::TemporaryFolder folder_;
  CountingTransport transport_;
  aws::FakeClock clock_;
  aws::LargestRng rng_;
  aws::FixedCredentials credentials_;
  aws::Client client_{options(), transport_, credentials_, clock_, rng_};
  aws::s3::Bucket bucket_{.client = client_, .name = "bucket", .style = aws::s3::AddressStyle::path};
  UploadPlace place_{.bucket = bucket_, .pool = pool_, .scratch_folder = folder_.path()};
  UploadPool pool_{4, {.memory_bytes = 128 * mib, .scratch_bytes = 20 * mib}};  // Ends before what its tasks use.
};

TEST_F(UploadChainTest, what_waits_in_files_is_bounded_too) {
  for (int number = 0; number < 6; ++number) upload("k" + std::to_string(number), 9 * mib);
  pool_.drain();
  EXPECT_EQ(transport_.put_count, 6u);
  EXPECT_LE(transport_.most_bytes, 18 * mib);
  EXPECT_TRUE(pool_.take_problems().empty());
}

TEST_F(UploadChainTest, what_is_larger_than_all_that_may_be_held_goes_alone) {
  upload("large", 21 * mib);
  upload("small", 9 * mib);
  upload("larger", 22 * mib);
  pool_.drain();
  EXPECT_EQ(transport_.put_count, 3u);
  EXPECT_LE(transport_.most_bytes, 22 * mib);
  EXPECT_TRUE(pool_.take_problems().empty());
}

}  // namespace
}  // namespace holdfast::target
