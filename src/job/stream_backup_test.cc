// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "job/testing.h"

namespace holdfast::job {
namespace {

using testing::TestTree;

// Bytes whose number nobody knows before they end, read once and in order.
class Stream : public source::Content {
 public:
  explicit Stream(const Bytes& bytes, uint64_t fails_at_bytes) : bytes_(bytes), fails_at_bytes_(fails_at_bytes) {}
  uint64_t size_bytes() const override { return source::size_bytes_unknown; }
  std::string name() const override { return "stream"; }
  Status open() override { return {}; }
  Result<size_t> read_at(uint64_t offset_bytes, MutableByteView out) override {
    EXPECT_EQ(offset_bytes, offset_bytes_);
    if (offset_bytes + out.size() > fails_at_bytes_) return Error(ErrorCode::io, "the pipe broke");
    const size_t size = std::min<size_t>(out.size(), bytes_.size() - offset_bytes);
    if (size > 0) std::memcpy(out.data(), bytes_.data() + offset_bytes, size);
    offset_bytes_ += size;
    return size;
  }
  Result<source::DataRange> next_data(uint64_t offset_bytes) override {
    return source::DataRange{offset_bytes, source::size_bytes_unknown};
  }
  Result<source::ReadOutcome> finish() override {
    format::FileAttributes attributes = testing::test_file("").attributes;
    attributes.size_bytes = offset_bytes_;
    return source::ReadOutcome{.changed_while_read = false, .attributes = testing::encoded(attributes)};
  }

 private:
  const Bytes& bytes_;
  const uint64_t fails_at_bytes_;
  uint64_t offset_bytes_ = 0;
};

// One stream, with a small file on either side.
class StreamSource : public testing::FilesSource {
 public:
  StreamSource(const Bytes& bytes, uint64_t fails_at_bytes)
      : FilesSource("/stream"), bytes_(bytes), fails_at_bytes_(fails_at_bytes) {}
  Status scan(const source::ScanRequest&, source::ScanSink& sink) override {
    TRY_DO(put_small("before", sink));
    source::Item item;
    item.key = to_bytes("data");
    item.attributes = testing::encoded(testing::test_file("").attributes);
    item.size_bytes = source::size_bytes_unknown;
    item.content = std::make_shared<Stream>(bytes_, fails_at_bytes_);
    // Keys ascend: "before" < "data" < "later".
    TRY_DO(sink.put(std::move(item)));
    return put_small("later", sink);
  }

 private:
  Status put_small(std::string_view name, source::ScanSink& sink) {
    source::Item item;
    item.key = to_bytes(name);
    item.content = std::make_shared<testing::TestContent>(std::string(name), small_);
    item.size_bytes = small_.content.size();
    return sink.put(std::move(item));
  }
  const Bytes& bytes_;
  const uint64_t fails_at_bytes_;
  const testing::TestFile small_ = testing::test_file("a small file");
};

class StreamBackupTest : public ::testing::Test {
 protected:
  BackupReport backup(testing::TestBed& bed, const Bytes& bytes, unsigned worker_count,
                      uint64_t fails_at_bytes = UINT64_MAX) {
    StreamSource source(bytes, fails_at_bytes);
    BackupRequest request;
    request.host = "host";
    request.worker_count = worker_count;
    SilentObserver observer;
    auto report = run_backup(*bed.vault, source, request, observer);
    EXPECT_TRUE(report.has_value()) << report.error().message();
    return report ? std::move(*report) : BackupReport{};
  }
  static std::optional<PathEntry> entry(testing::TestBed& bed, const vault::PointInfo& point, std::string_view path) {
    auto walk = PointWalk::open(*bed.vault, point);
    EXPECT_TRUE(walk.has_value());
    auto found = (*walk)->look_up(path);
    EXPECT_TRUE(found.has_value()) << found.error().message();
    return *found;
  }
  static Bytes content(testing::TestBed& bed, const vault::PointInfo& point, std::string_view path) {
    auto walk = PointWalk::open(*bed.vault, point);
    Bytes bytes;
    const Status read = (*walk)->cat(path, [&](ByteView part) -> Status {
      bytes.insert(bytes.end(), part.begin(), part.end());
      return {};
    });
    EXPECT_TRUE(read.has_value()) << read.error().message();
    return bytes;
  }
  // Text, noise and runs of zeros that begin and end around the edges of windows.
  static Bytes mixture(uint64_t seed, size_t size_bytes) {
    crypto::SeededRng rng(seed);
    Bytes bytes = rng.bytes(size_bytes);
    for (size_t at = 0; at < size_bytes;) {
      const size_t size = std::min<size_t>(rng.below(1'300'000), size_bytes - at);
      if (rng.below(3) == 0) std::fill_n(bytes.begin() + static_cast<ptrdiff_t>(at), size, std::byte{0});
      at += size + 1;
    }
    return bytes;
  }
};

TEST_F(StreamBackupTest, is_cut_like_a_file_whatever_the_number_of_workers) {
  for (const size_t size_bytes : {0u, 1u, 5'000u, 1'048'576u, 1'097'728u, 1'097'729u, 7'000'000u}) {
    SCOPED_TRACE(size_bytes);
    const Bytes bytes = mixture(size_bytes, size_bytes);
    testing::TestBed bed(41);
    // Larger than a small file, or it would be a piece.
    TestTree tree{{"data", testing::test_file(bytes)}};
    const auto file = size_bytes > 4096 ? std::optional(bed.backup(tree)) : std::nullopt;
    for (const unsigned worker_count : {1u, 4u}) {
      const BackupReport report = backup(bed, bytes, worker_count);
      EXPECT_EQ(report.counts.skipped_count, 0u);
      EXPECT_EQ(report.counts.size_bytes, size_bytes + 24);
      EXPECT_EQ(content(bed, report.point, "/data"), bytes);
      EXPECT_EQ(entry(bed, report.point, "/data")->attributes.size_bytes, size_bytes);
      EXPECT_EQ(content(bed, report.point, "/later"), to_bytes("a small file"));
      if (file) {
        EXPECT_EQ(entry(bed, report.point, "/data")->content, entry(bed, *file, "/data")->content);
      }
    }
  }
}

TEST_F(StreamBackupTest, that_breaks_off_is_a_skip_and_the_rest_is_there) {
  const Bytes bytes = mixture(5, 5'000'000);
  testing::TestBed bed(42);
  const BackupReport report = backup(bed, bytes, 3, 3'000'000);
  EXPECT_EQ(report.counts.skipped_count, 1u);
  ASSERT_EQ(report.skipped.size(), 1u);
  EXPECT_EQ(report.skipped.front().error.message(), "the pipe broke");
  EXPECT_FALSE(entry(bed, report.point, "/data").has_value());
  EXPECT_EQ(content(bed, report.point, "/before"), to_bytes("a small file"));
  EXPECT_EQ(content(bed, report.point, "/later"), to_bytes("a small file"));
}

TEST_F(StreamBackupTest, is_not_read_on_when_the_run_is_stopped) {
  testing::TestBed bed(43);
  const Bytes bytes = crypto::SeededRng(6).bytes(4'000'000);
  StreamSource source(bytes, UINT64_MAX);
  std::stop_source stop;
  stop.request_stop();
  BackupRequest request;
  request.host = "host";
  request.stop = stop.get_token();
  SilentObserver observer;
  const auto report = run_backup(*bed.vault, source, request, observer);
  ASSERT_FALSE(report.has_value());
  EXPECT_EQ(report.error().code(), ErrorCode::cancelled);
}

}  // namespace
}  // namespace holdfast::job
