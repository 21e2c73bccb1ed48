// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <unordered_set>
#include <vector>

#include "tests/model/collection_model.h"

// Explores every state of the collection protocol that can be reached within some limits, breadth first, and says the
// shortest way to one in which a live point lacks a chunk. States that differ only in the names of packs, chunks,
// points and sessions are one state.
//
//   collection_check [--packs N] [--chunks N] [--sessions N] [--without SAFEGUARD] [--expect-violation]
namespace {

using namespace holdfast::model;

struct Options {
  size_t packs = 3, chunks = 2, sessions = 2;
  bool expect_violation = false;
  uint64_t states_max = 100'000'000;
  Safeguards safeguards;
};

struct Key {
  uint64_t low = 0, high = 0;
  friend auto operator<=>(const Key&, const Key&) = default;
};
struct KeyHash {
  size_t operator()(const Key& key) const noexcept {
    uint64_t word = key.low * 0x9e3779b97f4a7c15u ^ (key.high + 0x7f4a7c15u) * 0xbf58476d1ce4e5b9u;
    word ^= word >> 29;
    return word * 0x94d049bb133111ebu;
  }
};

// Packs small numbers one behind the other into 128 bits.
class Packer {
 public:
  void put(uint64_t value, unsigned bits) {
    if (used_ < 64) {
      key_.low |= value << used_;
      if (used_ + bits > 64) key_.high |= value >> (64 - used_);
    } else {
      key_.high |= value << (used_ - 64);
    }
    used_ += bits;
    if (used_ > 128) std::abort();
  }
  Key key() const { return key_; }

 private:
  Key key_;
  unsigned used_ = 0;
};
class Unpacker {
 public:
  explicit Unpacker(Key key) : key_(key) {}
  uint64_t take(unsigned bits) {
    uint64_t value = used_ < 64 ? key_.low >> used_ : key_.high >> (used_ - 64);
    if (used_ < 64 && used_ + bits > 64) value |= key_.high << (64 - used_);
    used_ += bits;
    return value & ((uint64_t{1} << bits) - 1);
  }

 private:
  Key key_;
  unsigned used_ = 0;
};

template <size_t Bits>
std::bitset<Bits> permuted(const std::bitset<Bits>& bits, const std::vector<size_t>& order) {
  std::bitset<Bits> result;
  for (size_t place = 0; place < order.size(); ++place) result[place] = bits[order[place]];
  return result;
}

template <class M>
class Checker {
 public:
  explicit Checker(const Options& options) : options_(options) {}
  int run();

 private:
  static uint64_t pack_word(const typename M::Pack& pack) {
    return static_cast<uint64_t>(pack.fate) | (pack.indexed ? 4u : 0u) | pack.content.to_ullong() << 3 |
           pack.older.to_ullong() << (3 + M::chunks_max);
  }
  static uint64_t session_word(const typename M::Session& session) {
    return static_cast<uint64_t>(session.work) | (session.fenced ? 4u : 0u);
  }
  static uint64_t session_sets(const typename M::Session& session) {
    if (session.work == M::Work::purging) return session.victims.to_ullong();
    return session.usable.to_ullong() | session.own.to_ullong() << M::packs_max;
  }
  static M canonical(const M& model);
  static M renamed(const M& model, const std::vector<size_t>& chunks);
  static Key encode(const M& model);
  static M decode(Key key);
  void add(const M& model, std::string (*name)(int, int, int), int a, int b, int c);
  void expand(const M& model);
  void expand_session(const M& model, size_t session);
  void tell(uint32_t state) const;

  struct Step {
    uint32_t parent = 0;
    std::string (*name)(int, int, int) = nullptr;
    int8_t a = 0, b = 0, c = 0;
  };
  const Options& options_;
  std::vector<Key> states_;
  std::vector<Step> steps_;
  std::unordered_set<Key, KeyHash> seen_;
  uint32_t current_ = 0;
  bool violated_ = false;
  uint64_t transitions_ = 0, purges_ = 0, undeletes_ = 0, commits_ = 0;
};

template <class M>
M Checker<M>::renamed(const M& model, const std::vector<size_t>& chunks) {
  M result = model;
  for (auto& pack : result.packs) pack.content = permuted(pack.content, chunks);
  for (auto& point : result.points) point.chunks = permuted(point.chunks, chunks);
  // Packs by what they are, then sessions, then packs once more, now that sessions have their places.
  std::vector<size_t> order(M::packs_max);
  const auto seen_by = [&](size_t pack) {
    uint64_t word = 0;
    for (const auto& session : result.sessions) {
      word += (session.usable[pack] ? 1u : 0u) + (session.own[pack] ? 8u : 0u) + (session.victims[pack] ? 64u : 0u);
    }
    return word;
  };
  const auto neutral = [&](size_t pack) {
    auto copy = result.packs[pack];
    const size_t older = copy.older.count();
    copy.older.reset();
    return std::pair(pack_word(copy) | older << 32, seen_by(pack));
  };
  for (size_t place = 0; place < order.size(); ++place) order[place] = place;
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return neutral(a) < neutral(b); });
  const M before = result;
  for (size_t place = 0; place < order.size(); ++place) result.packs[place] = before.packs[order[place]];
  for (auto& session : result.sessions) {
    session.usable = permuted(session.usable, order);
    session.own = permuted(session.own, order);
    session.victims = permuted(session.victims, order);
  }
  std::vector<size_t> workers(M::sessions_max);
  for (size_t place = 0; place < workers.size(); ++place) workers[place] = place;
  const auto age = [&](size_t session) {
    uint64_t word = 0;
    for (size_t pack = 0; pack < M::packs_max; ++pack) word |= uint64_t{result.packs[pack].older[session]} << pack;
    return word;
  };
  const auto whole = [&](size_t session) {
    return std::tuple(session_word(result.sessions[session]), session_sets(result.sessions[session]), age(session));
  };
  std::stable_sort(workers.begin(), workers.end(), [&](size_t a, size_t b) { return whole(a) < whole(b); });
  const M sorted = result;
  for (size_t place = 0; place < workers.size(); ++place) result.sessions[place] = sorted.sessions[workers[place]];
  for (auto& pack : result.packs) pack.older = permuted(pack.older, workers);
  return result;
}

template <class M>
M Checker<M>::canonical(const M& model) {
  M copy = model;
  std::sort(copy.points.begin(), copy.points.end(), [](const auto& a, const auto& b) {
    return std::pair(a.life, a.chunks.to_ullong()) < std::pair(b.life, b.chunks.to_ullong());
  });
  std::vector<size_t> chunks(M::chunks_max);
  for (size_t place = 0; place < chunks.size(); ++place) chunks[place] = place;
  M best = renamed(copy, chunks);
  Key key = encode(best);
  while (std::next_permutation(chunks.begin(), chunks.end())) {
    M other = renamed(copy, chunks);
    std::sort(other.points.begin(), other.points.end(), [](const auto& a, const auto& b) {
      return std::pair(a.life, a.chunks.to_ullong()) < std::pair(b.life, b.chunks.to_ullong());
    });
    const Key other_key = encode(other);
    if (other_key < key) {
      key = other_key;
      best = other;
    }
  }
  return best;
}

template <class M>
Key Checker<M>::encode(const M& model) {
  Packer out;
  for (const auto& pack : model.packs) out.put(pack_word(pack), 3 + M::chunks_max + M::sessions_max);
  for (const auto& point : model.points) {
    out.put(static_cast<uint64_t>(point.life), 2);
    out.put(point.chunks.to_ullong(), M::chunks_max);
  }
  for (const auto& session : model.sessions) {
    out.put(session_word(session), 3);
    out.put(session_sets(session), 2 * M::packs_max);
  }
  return out.key();
}

template <class M>
M Checker<M>::decode(Key key) {
  Unpacker in(key);
  M model;
  for (auto& pack : model.packs) {
    pack.fate = static_cast<typename M::Fate>(in.take(2));
    pack.indexed = in.take(1) != 0;
    pack.content = in.take(M::chunks_max);
    pack.older = in.take(M::sessions_max);
  }
  for (auto& point : model.points) {
    point.life = static_cast<typename M::Life>(in.take(2));
    point.chunks = in.take(M::chunks_max);
  }
  for (auto& session : model.sessions) {
    session.work = static_cast<typename M::Work>(in.take(2));
    session.fenced = in.take(1) != 0;
    const uint64_t seen = in.take(M::packs_max), own = in.take(M::packs_max);
    if (session.work == M::Work::purging) {
      session.victims = seen;
    } else {
      session.usable = seen;
      session.own = own;
    }
  }
  return model;
}

template <class M>
void Checker<M>::add(const M& model, std::string (*name)(int, int, int), int a, int b, int c) {
  ++transitions_;
  const M state = canonical(model);
  const Key key = encode(state);
  if (!seen_.insert(key).second) return;
  states_.push_back(key);
  steps_.push_back({current_, name, static_cast<int8_t>(a), static_cast<int8_t>(b), static_cast<int8_t>(c)});
  if (state.holds()) return;
  violated_ = true;
}

std::string text(const char* what, int number) { return std::string(what) + " " + std::to_string(number); }

template <class M>
void Checker<M>::expand_session(const M& model, size_t session) {
  const Safeguards& with = options_.safeguards;
  const int s = static_cast<int>(session);
  M next = model;
  if (next.begin(session, with)) add(next, [](int a, int, int) { return text("begin session", a); }, s, 0, 0), next = model;
  size_t free = 0;
  while (free < M::packs_max && model.packs[free].fate != M::Fate::none) ++free;
  for (size_t chunk = 0; free < M::packs_max && chunk < M::chunks_max; ++chunk) {
    if (!next.store(session, free, typename M::ChunkSet(uint64_t{1} << chunk))) continue;
    add(next, [](int a, int b, int c) { return text("store, session", a) + text(", chunk", b) + text(", pack", c); }, s,
        static_cast<int>(chunk), static_cast<int>(free));
    next = model;
  }
  if (next.flush(session, with)) add(next, [](int a, int, int) { return text("flush, session", a); }, s, 0, 0), next = model;
  for (size_t point = 0; point < M::points_max; ++point) {
    for (uint64_t chunks = 1; chunks < (1u << M::chunks_max); ++chunks) {
      if (!next.commit(session, point, typename M::ChunkSet(chunks), with)) continue;
      ++commits_;
      add(next, [](int a, int b, int c) { return text("commit, session", a) + text(", point", b) + text(", chunks", c); },
          s, static_cast<int>(point), static_cast<int>(chunks));
      next = model;
    }
  }
  if (next.end(session)) add(next, [](int a, int, int) { return text("end or death of session", a); }, s, 0, 0), next = model;
  if (next.fence(session)) add(next, [](int a, int, int) { return text("fence session", a); }, s, 0, 0), next = model;
  for (const bool last : {false, true}) {
    if (!next.mark(session, last, with)) continue;
    add(next, [](int a, int b, int) { return text("mark, collector", a) + (b != 0 ? ", keeps last homes" : ""); }, s,
        last ? 1 : 0, 0);
    next = model;
  }
  if (next.purge(session, with)) {
    ++purges_;
    add(next, [](int a, int, int) { return text("purge, collector", a); }, s, 0, 0);
  }
}

template <class M>
void Checker<M>::expand(const M& model) {
  const Safeguards& with = options_.safeguards;
  for (size_t session = 0; session < M::sessions_max; ++session) expand_session(model, session);
  M next = model;
  for (size_t point = 0; point < M::points_max; ++point) {
    const int p = static_cast<int>(point);
    if (next.forget(point)) add(next, [](int a, int, int) { return text("forget point", a); }, p, 0, 0), next = model;
    if (next.undelete(point, with)) {
      ++undeletes_;
      add(next, [](int a, int, int) { return text("undelete point", a); }, p, 0, 0);
      next = model;
    }
  }
  for (size_t pack = 0; pack < M::packs_max; ++pack) {
    const int p = static_cast<int>(pack);
    if (next.condemn(pack)) add(next, [](int a, int, int) { return text("condemn pack", a); }, p, 0, 0), next = model;
    if (next.spare(pack, with)) add(next, [](int a, int, int) { return text("spare pack", a); }, p, 0, 0), next = model;
    if (next.remove_early(pack, with)) {
      add(next, [](int a, int, int) { return text("remove, without a purge record, pack", a); }, p, 0, 0);
      next = model;
    }
    if (next.drop_from_index_early(pack, with)) {
      add(next, [](int a, int, int) { return text("drop from the index, without a purge record, pack", a); }, p, 0, 0);
      next = model;
    }
  }
}

template <class M>
void Checker<M>::tell(uint32_t state) const {
  std::vector<std::string> way;
  for (; state != 0; state = steps_[state].parent) {
    const Step& step = steps_[state];
    way.push_back(step.name(step.a, step.b, step.c));
  }
  // Names of packs, chunks and sessions are those of the state before each step, sorted: they may change from step to
  // step.
  std::reverse(way.begin(), way.end());
  for (const std::string& step : way) std::printf("  %s\n", step.c_str());
}

template <class M>
int Checker<M>::run() {
  M first;
  states_.push_back(encode(canonical(first)));
  steps_.emplace_back();
  seen_.insert(states_[0]);
  for (; current_ < states_.size() && !violated_ && states_.size() < options_.states_max; ++current_) {
    expand(decode(states_[current_]));
  }
  const bool exhausted = current_ == states_.size();
  std::printf("%zu states, %llu steps, among them %llu commits, %llu purges, %llu undeletes; %s\n",
              states_.size(), static_cast<unsigned long long>(transitions_), static_cast<unsigned long long>(commits_),
              static_cast<unsigned long long>(purges_),
              static_cast<unsigned long long>(undeletes_),
              violated_ ? "A LIVE POINT LACKS A CHUNK" : exhausted ? "all explored, no violation" : "not exhausted");
  if (violated_) tell(static_cast<uint32_t>(states_.size() - 1));
  if (options_.expect_violation) return violated_ ? 0 : 1;
  // A run that never purged anything proves nothing.
  return exhausted && !violated_ && purges_ > 0 && undeletes_ > 0 && commits_ > 0 ? 0 : 1;
}

struct NamedSafeguard {
  const char* name;
  bool Safeguards::* flag;
};
constexpr NamedSafeguard named_safeguards[] = {
    {"condemned_are_absent", &Safeguards::condemned_are_absent},
    {"waits_for_old_sessions", &Safeguards::waits_for_old_sessions},
    {"waits_before_marking", &Safeguards::waits_before_marking},
    {"marks_again", &Safeguards::marks_again},
    {"fence_stops_commit", &Safeguards::fence_stops_commit},
    {"forgotten_parent_stops_commit", &Safeguards::forgotten_parent_stops_commit},
    {"index_before_commit", &Safeguards::index_before_commit},
    {"purge_sees_other_purges", &Safeguards::purge_sees_other_purges},
    {"purge_sees_undeletes", &Safeguards::purge_sees_undeletes},
    {"purge_sees_spared", &Safeguards::purge_sees_spared},
    {"undelete_checks_chunks", &Safeguards::undelete_checks_chunks},
    {"record_before_removal", &Safeguards::record_before_removal},
    {"merge_keeps_condemned", &Safeguards::merge_keeps_condemned},
};

bool take_safeguard(Safeguards& safeguards, const char* name) {
  for (const NamedSafeguard& known : named_safeguards) {
    if (std::strcmp(known.name, name) != 0) continue;
    safeguards.*known.flag = false;
    return true;
  }
  return false;
}

bool parse(Options& options, int count, char** words) {
  for (int at = 1; at < count; ++at) {
    const std::string word = words[at];
    if (word == "--expect-violation") {
      options.expect_violation = true;
      continue;
    }
    if (at + 1 >= count) return false;
    const char* value = words[++at];
    if (word == "--without") {
      if (!take_safeguard(options.safeguards, value)) return false;
    } else if (word == "--packs") {
      options.packs = std::strtoul(value, nullptr, 10);
    } else if (word == "--chunks") {
      options.chunks = std::strtoul(value, nullptr, 10);
    } else if (word == "--sessions") {
      options.sessions = std::strtoul(value, nullptr, 10);
    } else if (word == "--states-max") {
      options.states_max = std::strtoull(value, nullptr, 10);
    } else {
      return false;
    }
  }
  return true;
}

int check(const Options& options) {
  const auto is = [&](size_t packs, size_t chunks, size_t sessions) {
    return options.packs == packs && options.chunks == chunks && options.sessions == sessions;
  };
  if (is(2, 1, 2)) return Checker<Model<2, 1, 2, 2>>(options).run();
  if (is(3, 1, 2)) return Checker<Model<3, 1, 2, 2>>(options).run();
  if (is(2, 2, 2)) return Checker<Model<2, 2, 2, 2>>(options).run();
  if (is(3, 2, 2)) return Checker<Model<3, 2, 2, 2>>(options).run();
  if (is(2, 1, 3)) return Checker<Model<2, 1, 2, 3>>(options).run();
  if (is(3, 1, 3)) return Checker<Model<3, 1, 2, 3>>(options).run();
  if (is(3, 2, 3)) return Checker<Model<3, 2, 2, 3>>(options).run();
  if (is(3, 3, 3)) return Checker<Model<3, 3, 2, 3>>(options).run();
  std::fprintf(stderr, "no model of these sizes was compiled in\n");
  return 2;
}

}  // namespace

int main(int count, char** words) {
  Options options;
  if (!parse(options, count, words)) {
    std::fprintf(stderr, "usage: see the head of the source\n");
    return 2;
  }
  return check(options);
}
