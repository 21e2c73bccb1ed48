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
  EXPECT_EQ(uploads_.begin_part(id, "k", 1).error().code, "NoSuchUpload");
}

TEST_F(UploadRegistryTest, what_nobody_touches_expires) {
  const std::string kept = *uploads_.begin("a", {}, {}), stale = *uploads_.begin("b", {}, {});
  clock_.time += 50min;
  EXPECT_TRUE(uploads_.begin_part(kept, "a", 1));
  clock_.time += 20min;
  uploads_.expire();
  EXPECT_TRUE(uploads_.begin_part(kept, "a", 1));
  EXPECT_EQ(uploads_.begin_part(stale, "b", 1).error().code, "NoSuchUpload");
}

TEST_F(UploadRegistryTest, parts_of_all_uploads_together_are_bounded) {
  const std::string first = *uploads_.begin("a", {}, {}), second = *uploads_.begin("b", {}, {});
  for (size_t number = 1; number < uploaded_part_count_max; ++number) {
    ASSERT_TRUE(uploads_.put(first, "a", static_cast<uint32_t>(number), part(1)));
  }
  EXPECT_TRUE(uploads_.put(second, "b", 1, part(1)));
  EXPECT_EQ(uploads_.begin_part(second, "b", 2).error().code, "SlowDown");
  EXPECT_EQ(uploads_.put(second, "b", 2, part(1)).error().code, "SlowDown");
  EXPECT_TRUE(uploads_.put(second, "b", 1, part(2)));
  EXPECT_TRUE(uploads_.abort(first, "a"));
  EXPECT_TRUE(uploads_.put(second, "b", 2, part(1)));
}

TEST_F(UploadRegistryTest, parts_come_in_pages) {
  const std::string id = *uploads_.begin("k", {}, {});
  for (const uint32_t number : {9, 2, 5}) EXPECT_TRUE(uploads_.put(id, "k", number, part(number)));
  const auto numbers = [&](uint32_t after, size_t count_max) {
    std::string text;
    const auto page = uploads_.parts_after(id, "k", after, count_max);
    for (const auto& [number, one] : page->parts) text += std::to_string(number) + " ";
    return text + (page->is_truncated ? "..." : "");
  };
  EXPECT_EQ(numbers(0, 2), "2 5 ...");
  EXPECT_EQ(numbers(5, 2), "9 ");
  EXPECT_EQ(numbers(0, 3), "2 5 9 ");
  EXPECT_EQ(numbers(9, 1), "");
  EXPECT_EQ(numbers(0, 0), "...");
  EXPECT_EQ(uploads_.parts_after(id, "other", 0, 1).error().code, "NoSuchUpload");
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
