// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/byte_io.h"
#include "tests/model/collection_model.h"
#include "vault/testing.h"
#include "vault/vault.h"

namespace holdfast::sim {

// Follows the log that real code wrote through the model of tests/model, step by step: each record must be a step that
// the model allows in its state. Chunks are left out: that they are there is what the simulation itself reads.
class TraceReplay {
 public:
  explicit TraceReplay(vault::Vault& vault) : vault_(vault), model_(std::make_unique<Model>()) {}

  // What the model does not allow, if anything.
  std::optional<std::string> run() {
    const auto keys = vault_.keyring().domain(vault::own_domain);
    for (uint64_t number = 1;; ++number) {
      const auto object = vault_.store().get(vault::log_key(vault::own_domain, number), std::nullopt);
      if (!object && object.error().code() == ErrorCode::not_found) return {};
      if (!object) return "record " + std::to_string(number) + ": " + object.error().message();
      const ByteView bytes = ByteView(*object).first(object->size() - crypto::signature_size_bytes);
      const auto envelope = format::decode_log_envelope(bytes);
      if (!envelope) return "record " + std::to_string(number) + " cannot be read";
      const auto body = crypto::open_with(keys->find(envelope->epoch)->metadata_key, format::log_body_context(*envelope),
                                          envelope->sealed_body);
      if (!body) return "record " + std::to_string(number) + " cannot be opened";
      const ObjectId hash = ObjectId::from(crypto::hash(*object));
      if (const auto wrong = step(envelope->kind, hash, body->view())) {
        return "record " + std::to_string(number) + ": " + *wrong;
      }
      ++steps_;
    }
  }
  uint64_t steps() const { return steps_; }

 private:
  using Model = model::Model<4096, 1, 512, 512>;
  using Wrong = std::optional<std::string>;

  static Wrong unless(bool allowed, std::string what) { return allowed ? Wrong() : Wrong(std::move(what)); }
  template <class Id>
  static size_t place_of(std::map<Id, size_t>& places, const Id& id) {
    return places.try_emplace(id, places.size()).first->second;
  }

  Wrong step(format::LogKind kind, const ObjectId& hash, ByteView body) {
    switch (kind) {
      case format::LogKind::session: {
        const auto session = *format::decode_session_body(body);
        // A collector's session commits nothing; nobody need wait for it.
        if (session.purpose == "collect") return {};
        return unless(model_->begin(place_of(sessions_, session.session), with_), "a session begins twice");
      }
      case format::LogKind::commit: {
        const auto point = *format::decode_recovery_point(body);
        const bool parent_lives = point.parent.is_none() ||
                                  model_->points[place_of(points_, point.parent)].life == Model::Life::live;
        if (!parent_lives) return "a point is built upon one that was forgotten";
        return unless(model_->commit(place_of(sessions_, point.session), place_of(points_, hash), {}, with_),
                      "a commit by a session that is fenced or over");
      }
      case format::LogKind::end: {
        const auto place = sessions_.find(format::decode_end_body(body)->session);
        if (place != sessions_.end()) model_->end(place->second);
        return {};
      }
      case format::LogKind::fence: return fence(body);
      case format::LogKind::forget: return forget(body);
      case format::LogKind::undelete: return undelete(body);
      case format::LogKind::condemn: return condemn(body);
      case format::LogKind::spare: return spare(body);
      case format::LogKind::purge: return purge(body);
      default: return {};
    }
  }
  Wrong fence(ByteView body) {
    const auto fence = format::decode_fence_body(body);
    for (const format::SessionId& id : fence->sessions) {
      const auto place = sessions_.find(id);
      if (place != sessions_.end()) model_->fence(place->second);
    }
    return {};
  }
  Wrong spare(ByteView body) {
    const auto spare = format::decode_packs_body(body);
    for (const ObjectId& id : spare->packs) model_->spare(place_of(packs_, id), with_);
    return {};
  }
  Wrong forget(ByteView body) {
    const auto forget = format::decode_forget_body(body);
    for (const ObjectId& id : forget->points) model_->forget(place_of(points_, id));
    return {};
  }
  Wrong undelete(ByteView body) {
    const auto undelete = format::decode_points_body(body);
    for (const ObjectId& id : undelete->points) {
      if (!model_->undelete(place_of(points_, id), with_)) return "a point comes back that was not forgotten";
    }
    return {};
  }
  Wrong condemn(ByteView body) {
    const auto condemn = format::decode_condemn_body(body);
    for (const format::PackName& pack : condemn->packs) {
      const size_t place = place_of(packs_, pack.id);
      auto& known = model_->packs[place];
      if (known.fate == Model::Fate::none) known = {.fate = Model::Fate::stored, .indexed = true, .content = {}, .older = {}};
      model_->condemn(place);
    }
    return {};
  }
  Wrong purge(ByteView body) {
    const auto purge = format::decode_packs_body(body);
    for (const ObjectId& id : purge->packs) {
      const auto& pack = model_->packs[place_of(packs_, id)];
      if (pack.fate != Model::Fate::condemned) return "a pack is purged that is not condemned";
      if (pack.older.any()) return "a pack is purged while a session that is older than its condemnation is at work";
    }
    return {};
  }

  vault::Vault& vault_;
  const model::Safeguards with_;
  std::unique_ptr<Model> model_;
  std::map<format::SessionId, size_t> sessions_;
  std::map<ObjectId, size_t> points_;
  std::map<ObjectId, size_t> packs_;
  uint64_t steps_ = 0;
};

}  // namespace holdfast::sim
