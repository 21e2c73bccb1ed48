// SPDX-License-Identifier: Apache-2.0
#include "serve/upload_registry.h"

#include <gtest/gtest.h>

#include "crypto/testing.h"

namespace holdfast::serve {
namespace {

using namespace std::chrono_literals;

class HandClock : public Clock {
 public:
  UnixTimeNs now() override { return time.count(); }
  std::chrono::nanoseconds monotonic() override { return time; }
  void sleep_for(std::chrono::nanoseconds duration) override { time += duration; }
  std::chrono::nanoseconds time{1h};
};

class UploadRegistryTest : public ::testing::Test {
 protected:
  static UploadedPart part(uint64_t size_bytes) {
    UploadedPart made;
    made.size_bytes = size_bytes;
    return made;
  }
  HandClock clock_;
  crypto::SeededRng rng_{1};
  UploadRegistry uploads_{1h, clock_, rng_};
};

TEST_F(UploadRegistryTest, an_upload_is_known_by_its_id_and_key) {
  const std::string id = *uploads_.begin("k", {}, {});
  EXPECT_TRUE(uploads_.put(id, "k", 2, part(5)));
  EXPECT_TRUE(uploads_.put(id, "k", 2, part(6)));
  EXPECT_EQ(uploads_.get(id, "k")->parts.at(2).size_bytes, 6U);
  EXPECT_EQ(uploads_.put(id, "other", 1, part(1)).error().code, "NoSuchUpload");
  EXPECT_EQ(uploads_.get("other", "k").error().code, "NoSuchUpload");
  EXPECT_EQ(uploads_.all().size(), 1U);
  EXPECT_TRUE(uploads_.abort(id, "k"));
  EXPECT_EQ(uploads_.touch(id, "k").error().code, "NoSuchUpload");
}

TEST_F(UploadRegistryTest, what_nobody_touches_expires) {
  const std::string kept = *uploads_.begin("a", {}, {}), stale = *uploads_.begin("b", {}, {});
  clock_.time += 50min;
  EXPECT_TRUE(uploads_.touch(kept, "a"));
  clock_.time += 20min;
  uploads_.expire();
  EXPECT_TRUE(uploads_.touch(kept, "a"));
  EXPECT_EQ(uploads_.touch(stale, "b").error().code, "NoSuchUpload");
}

TEST_F(UploadRegistryTest, a_complete_one_is_remembered_and_makes_room) {
  const std::string done = *uploads_.begin("k", {}, {});
  uploads_.complete(done, "etag-2");
  EXPECT_EQ(uploads_.completed_etag(done, "k"), "etag-2");
  EXPECT_EQ(uploads_.completed_etag(done, "other"), std::nullopt);
  EXPECT_EQ(uploads_.get(done, "k").error().code, "NoSuchUpload");
  EXPECT_TRUE(uploads_.all().empty());
  for (int count = 0; count < 1000; ++count) EXPECT_TRUE(uploads_.begin("more", {}, {}));
  EXPECT_EQ(uploads_.completed_etag(done, "k"), std::nullopt);
  EXPECT_EQ(uploads_.begin("one too many", {}, {}).error().code, "SlowDown");
}

}  // namespace
}  // namespace holdfast::serve
