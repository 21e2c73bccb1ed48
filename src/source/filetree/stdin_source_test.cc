// SPDX-License-Identifier: Apache-2.0
#include "source/filetree/stdin_source.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <thread>

#include "source/testing.h"

namespace holdfast::source {
namespace {

struct Pipe {
  Pipe() {
    int fds[2];
    EXPECT_EQ(pipe(fds), 0);
    read_end = os::Fd(fds[0]);
    write_end = os::Fd(fds[1]);
  }
  os::Fd read_end, write_end;
};

TEST(StdinSource, a_stream_becomes_one_file_with_the_size_found_at_its_end) {
  Pipe stream;
  const std::string text(300'000, 'x');
  const int fd = stream.write_end.get();
  std::jthread writer([&] {
    EXPECT_EQ(write(fd, text.data(), text.size()), static_cast<ssize_t>(text.size()));
    stream.write_end.reset();
  });
  testing::FakeClock clock;
  auto source = std::move(*open_stdin_source({.name = "/db/dump.sql"}, std::move(stream.read_end), clock));
  testing::ModelSink sink;
  ASSERT_TRUE(sink.scan(*source));
  ASSERT_EQ(sink.entries.size(), 1u);
  const auto& [key, entry] = *sink.entries.begin();
  EXPECT_TRUE(equal(key, *format::path_to_key("/db/dump.sql")));
  EXPECT_EQ(as_text(entry.content), text);
  const auto attributes = *format::decode_file_attributes(entry.attributes);
  EXPECT_EQ(attributes.size_bytes, text.size());
  EXPECT_EQ(attributes.modified.seconds, clock.now() / 1'000'000'000);
  EXPECT_EQ(source->describe().roots, std::vector<std::string>{"/db/dump.sql"});
}

TEST(StdinSource, the_same_stream_in_a_later_point_is_a_change_of_its_entry) {
  testing::FakeClock clock;
  testing::ModelSink sink;
  for (const uint64_t earlier : {0u, 1u}) {
    Pipe stream;
    ASSERT_EQ(write(stream.write_end.get(), "abc", 3), 3);
    stream.write_end.reset();
    auto source = std::move(*open_stdin_source({}, std::move(stream.read_end), clock));
    ASSERT_TRUE(sink.scan(*source));
    EXPECT_EQ(sink.changed_count, earlier);
  }
}

TEST(StdinSource, reading_out_of_order_or_twice_is_refused) {
  testing::FakeClock clock;
  Pipe stream;
  ASSERT_EQ(write(stream.write_end.get(), "abcdef", 6), 6);
  stream.write_end.reset();
  auto source = std::move(*open_stdin_source({}, std::move(stream.read_end), clock));
  struct Keep : testing::ModelSink {
    std::shared_ptr<Content> content;
    Status put(Item item) override {
      content = item.content;
      return {};
    }
  } sink;
  ASSERT_TRUE(sink.scan(*source));
  ASSERT_TRUE(sink.content->open());
  Bytes bytes(3);
  EXPECT_EQ(sink.content->read_at(1, bytes).error().code(), ErrorCode::invalid);
  EXPECT_EQ(*sink.content->read_at(0, bytes), 3u);
  EXPECT_EQ(*sink.content->read_at(3, bytes), 3u);
  EXPECT_EQ(*sink.content->read_at(6, bytes), 0u);
  EXPECT_EQ(sink.content->open().error().code(), ErrorCode::changed);
  EXPECT_EQ(sink.scan(*source).error().code(), ErrorCode::changed);
}

TEST(StdinSource, a_name_is_needed) {
  testing::FakeClock clock;
  EXPECT_FALSE(open_stdin_source({.name = "/"}, os::Fd(), clock));
  EXPECT_FALSE(open_stdin_source({.name = "/../x"}, os::Fd(), clock));
}

}  // namespace
}  // namespace holdfast::source
