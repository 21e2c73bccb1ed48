// SPDX-License-Identifier: Apache-2.0
#include "job/pack_reader.h"

#include "crypto/hash.h"
#include "vault/pack_survey.h"

namespace holdfast::job {

PackReader::PackReader(store::ObjectStore& store, vault::DomainId domain, std::vector<format::PackInfo> packs)
    : store_(store), domain_(domain), packs_(std::move(packs)),
      thread_([this](const std::stop_token& stop) { read_all(stop); }) {}

PackReader::~PackReader() { read_.close(); }

void PackReader::read_all(const std::stop_token& stop) {
  for (const format::PackInfo& info : packs_) {
    if (stop.stop_requested()) return;
    Pack pack{.info = info, .key = vault::pack_key(domain_, vault::name_of(info)), .whole = Bytes()};
    pack.whole = store_.get(pack.key, std::nullopt);
    if (pack.whole && (pack.whole->size() != info.size_bytes || ObjectId::from(crypto::hash(*pack.whole)) != info.id)) {
      pack.whole = Error(ErrorCode::corrupt, "its bytes do not match its name");
    }
    if (!read_.push(std::move(pack))) return;
  }
  read_.close();
}

}  // namespace holdfast::job
