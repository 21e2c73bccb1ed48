// SPDX-License-Identifier: Apache-2.0
#include "source/testing.h"

#include "source/conformance.h"

namespace holdfast::source {
namespace {

class FakeFixture : public SourceFixture {
 public:
  std::unique_ptr<Source> open() override {
    auto source = std::make_unique<testing::FakeSource>();
    source->files = files_.files;
    opened_ = source.get();
    return source;
  }
  void add_item(int number) override { set(number, "content"); }
  void change_item(int number) override { set(number, "other content"); }
  void remove_item(int number) override { target().files.erase(key_of(number)); }
  Bytes key_of(int number) override { return *format::path_to_key("/item" + std::to_string(number)); }

 private:
  testing::FakeSource& target() { return opened_ != nullptr ? *opened_ : files_; }
  void set(int number, std::string_view content) { target().set("/item" + std::to_string(number), content); }
  testing::FakeSource files_;
  testing::FakeSource* opened_ = nullptr;
};

INSTANTIATE_TYPED_TEST_SUITE_P(Fake, SourceConformance, FakeFixture);

}  // namespace
}  // namespace holdfast::source
