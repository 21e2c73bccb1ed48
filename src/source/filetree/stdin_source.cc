// SPDX-License-Identifier: Apache-2.0
#include "source/filetree/stdin_source.h"

#include <mutex>

#include "base/byte_io.h"
#include "format/file_attributes.h"
#include "os/apply_metadata.h"
#include "os/file.h"
#include "os/file_metadata.h"

namespace holdfast::source {
namespace {

Bytes encode(const format::FileAttributes& attributes) {
  Bytes bytes;
  ByteWriter out(bytes);
  format::encode_file_attributes(out, attributes);
  return bytes;
}

class StreamContent : public Content {
 public:
  StreamContent(os::Fd stream, std::string name, format::FileAttributes attributes)
      : stream_(std::move(stream)), name_(std::move(name)), attributes_(std::move(attributes)) {}

  uint64_t size_bytes() const override { return size_bytes_unknown; }
  std::string name() const override { return name_; }
  Status open() override {
    if (was_opened_) return Error(ErrorCode::changed, name_ + ": a stream cannot be read twice");
    was_opened_ = true;
    return {};
  }
  Result<size_t> read_at(uint64_t offset_bytes, MutableByteView out) override {
    if (offset_bytes != offset_bytes_) return Error(ErrorCode::invalid, name_ + ": a stream is read in order");
    const size_t size = TRY(os::read_full(stream_.get(), out).during(name_));
    offset_bytes_ += size;
    return size;
  }
  Result<DataRange> next_data(uint64_t offset_bytes) override { return DataRange{offset_bytes, size_bytes_unknown}; }
  Result<ReadOutcome> finish() override {
    attributes_.size_bytes = offset_bytes_;
    return ReadOutcome{false, encode(attributes_)};
  }

 private:
  os::Fd stream_;
  const std::string name_;
  format::FileAttributes attributes_;
  uint64_t offset_bytes_ = 0;
  bool was_opened_ = false;
};

class StdinSource : public Source {
 public:
  StdinSource(StdinOptions options, Bytes key, os::Fd stream, Clock& clock)
      : options_(std::move(options)), key_(std::move(key)), stream_(std::move(stream)), clock_(clock) {}

  Description describe() const override {
    Description description;
    description.kind = "files";
    description.roots = {options_.name};
    return description;
  }
  Status freeze() override { return {}; }
  Status scan(const ScanRequest& request, ScanSink& sink) override {
    if (!stream_.is_open()) return Error(ErrorCode::changed, "a stream cannot be read twice");
    format::FileAttributes attributes;
    attributes.mode = options_.mode;
    attributes.user_id = os::effective_user_id();
    attributes.group_id = os::effective_group_id();
    attributes.user_name = os::user_name_of(attributes.user_id);
    attributes.group_name = os::group_name_of(attributes.group_id);
    const UnixTimeNs now = clock_.now();
    attributes.modified = {now / 1'000'000'000, static_cast<uint32_t>(now % 1'000'000'000)};
    Item item;
    item.key = key_;
    item.attributes = encode(attributes);
    item.size_bytes = size_bytes_unknown;
    item.existed = request.previous != nullptr && TRY(request.previous->get(state_key())).has_value();
    item.content = std::make_shared<StreamContent>(std::move(stream_), options_.name, std::move(attributes));
    TRY_DO(sink.put(std::move(item)));
    return sink.put_state(state_key(), {});
  }
  Status finish() override { return {}; }
  void thaw() noexcept override {}

 private:
  // Says only that the entry is there.
  static ByteView state_key() {
    static constexpr std::byte key{0};
    return {&key, 1};
  }

  const StdinOptions options_;
  const Bytes key_;
  os::Fd stream_;
  Clock& clock_;
};

}  // namespace

Result<std::unique_ptr<Source>> open_stdin_source(const StdinOptions& options, os::Fd stream, Clock& clock) {
  Bytes key = TRY(format::path_to_key(options.name));
  if (key.empty()) return Error(ErrorCode::invalid, "a stream needs a name");
  return std::unique_ptr<Source>(std::make_unique<StdinSource>(options, std::move(key), std::move(stream), clock));
}

}  // namespace holdfast::source
