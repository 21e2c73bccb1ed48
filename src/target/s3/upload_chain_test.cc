// SPDX-License-Identifier: Apache-2.0
#include "target/s3/upload_chain.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "aws/testing.h"
#include "os/lost_files_testing.h"
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
    if (keeps_bodies) bodies.push_back(to_bytes(request.body->front()));
    const uint64_t now = under_way_bytes_ += size_bytes;
    for (uint64_t most = most_bytes; most < now && !most_bytes.compare_exchange_weak(most, now);) {}
    // Whoever may send at the same time gets the chance to; nothing depends on whether it takes it.
    for (int turn = 0; turn < 200; ++turn) std::this_thread::yield();
    under_way_bytes_ -= size_bytes;
    ++put_count;
    return aws::http_answer(200, "", {{"ETag", "\"e\""}});
  }
  std::atomic<uint64_t> most_bytes = 0;
  std::atomic<size_t> put_count = 0;
  bool keeps_bodies = false;  // Where one is sent after the other.
  std::vector<Bytes> bodies;

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

// That one is filled by whoever would wait.
TEST_F(UploadChainTest, nobody_waits_for_room_behind_a_version_that_is_not_complete) {
  const auto chain = std::make_shared<UploadChain>(place_, "k");
  std::vector<std::shared_ptr<ObjectUpload>> uploads;
  for (size_t number = 0; number < 6; ++number) {
    format::BucketAttributes attributes;
    attributes.size_bytes = 9 * mib;
    uploads.push_back(std::make_shared<ObjectUpload>(place_, "k", attributes));
    ASSERT_EQ(chain->add_object(), number);
    ASSERT_TRUE(uploads.back()->fill_zeros(0, attributes.size_bytes).has_value());
  }
  for (size_t number = uploads.size(); number-- > 0;) chain->ready(number, std::move(uploads[number]));
  pool_.drain();
  EXPECT_EQ(transport_.put_count, 6u);
}

TEST_F(UploadChainTest, what_waited_in_a_file_is_sent_as_it_was_written_in_whatever_order) {
  transport_.keeps_bodies = true;
  Bytes content(9 * mib + 3);
  uint32_t state = 1;
  for (std::byte& byte : content) byte = static_cast<std::byte>((state = state * 1'664'525 + 1'013'904'223) >> 24);
  const size_t hole_at = 3 * mib, hole_size = mib + 1;
  std::fill_n(content.begin() + hole_at, hole_size, std::byte{0});
  format::BucketAttributes attributes;
  attributes.size_bytes = content.size();
  const auto upload = std::make_shared<ObjectUpload>(place_, "k", attributes);
  const auto chain = std::make_shared<UploadChain>(place_, "k");
  const size_t version = chain->add_object(), behind = hole_at + hole_size;
  ASSERT_TRUE(upload->write_at(behind, ByteView(content).subspan(behind)).has_value());
  ASSERT_TRUE(upload->write_at(0, ByteView(content).first(hole_at)).has_value());
  ASSERT_TRUE(upload->fill_zeros(hole_at, hole_size).has_value());
  chain->ready(version, upload);
  pool_.drain();
  ASSERT_EQ(transport_.bodies.size(), 1u);
  EXPECT_TRUE(equal(transport_.bodies.front(), content));
}

TEST_F(UploadChainTest, what_the_disk_lost_beneath_a_temporary_file_becomes_no_object) {
  const Bytes content(9 * mib, std::byte{'x'});
  format::BucketAttributes attributes;
  attributes.size_bytes = content.size();
  const auto upload = std::make_shared<ObjectUpload>(place_, "k", attributes);
  const auto chain = std::make_shared<UploadChain>(place_, "k");
  const size_t version = chain->add_object();
  ASSERT_TRUE(upload->write_at(0, content).has_value());
  ASSERT_TRUE(os::lose_open_file_in(folder_.path()));
  chain->ready(version, upload);
  pool_.drain();
  EXPECT_EQ(transport_.put_count, 0u);
  const auto problems = pool_.take_problems();
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_EQ(problems[0].error.code(), ErrorCode::io);
  EXPECT_NE(problems[0].error.message().find("temporary file"), std::string::npos) << problems[0].error.message();
}

}  // namespace
}  // namespace holdfast::target
