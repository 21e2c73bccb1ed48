// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>

// The protocol of docs/decisions/0003-collection.md as a state machine: sessions, points, packs, condemnations, purges.
// collection_check.cc explores all its states.
//
// What no safety rests on is left free: anyone may condemn or spare any pack and fence any session at any moment, so
// that whatever a collector thinks is dead, the rest of the protocol must make up for it. A session that reads the index
// late knows all that was indexed while it lived. A crash is an end at any moment: that the log still shows the session
// until somebody fences it can only make others wait. A collector whose marks have become worthless begins anew.
namespace holdfast::model {

// What the protocol rests on. Each can be taken away, to see that its loss is noticed.
struct Safeguards {
  bool condemned_are_absent = true;      // Look-ups of a session that begins later do not see condemned packs.
  bool waits_for_old_sessions = true;    // A purge waits for all sessions that are older than the condemnation.
  bool waits_before_marking = true;      // And does so before it marks, not only before it purges.
  bool marks_again = true;               // A purge leaves what a live point leans on.
  bool fence_stops_commit = true;
  bool forgotten_parent_stops_commit = true;
  bool index_before_commit = true;
  bool purge_sees_other_purges = true;   // Since it marked; then it must mark anew.
  bool purge_sees_undeletes = true;      // Likewise.
  bool purge_sees_spared = true;         // Likewise: spared and condemned anew is another condemnation.
  bool undelete_checks_chunks = true;
  bool record_before_removal = true;     // Objects go after the purge record, not after the condemnation.
  bool merge_keeps_condemned = true;     // Only what is purged leaves the index.
};

template <size_t PackCount, size_t ChunkCount, size_t PointCount, size_t SessionCount>
class Model {
 public:
  static constexpr size_t packs_max = PackCount, chunks_max = ChunkCount, points_max = PointCount,
                          sessions_max = SessionCount;
  using PackSet = std::bitset<PackCount>;
  using ChunkSet = std::bitset<ChunkCount>;
  using SessionSet = std::bitset<SessionCount>;

  enum class Fate : uint8_t { none, stored, condemned, purged };
  struct Pack {
    Fate fate = Fate::none;
    bool indexed = false;  // A segment names it.
    ChunkSet content;
    SessionSet older;      // Sessions alive and not fenced that began before it was condemned.
  };
  enum class Life : uint8_t { none, live, forgotten };
  struct Point {
    Life life = Life::none;
    ChunkSet chunks;
  };
  enum class Work : uint8_t { idle, writing, purging };
  struct Session {
    Work work = Work::idle;
    bool fenced = false;
    PackSet usable;    // Writing: what a look-up may answer with.
    PackSet own;       // Writing: stored and not yet indexed.
    PackSet victims;   // Purging: what it will purge.
  };

  std::array<Pack, PackCount> packs;
  std::array<Point, PointCount> points;
  std::array<Session, SessionCount> sessions;

  // Every step says whether it was possible; if not, nothing happened.

  bool begin(size_t session, const Safeguards& with) {
    Session& writer = sessions[session];
    if (writer.work != Work::idle) return false;
    writer.work = Work::writing;
    for (size_t pack = 0; pack < PackCount; ++pack) {
      const bool seen = packs[pack].fate == Fate::stored ||
                        (packs[pack].fate == Fate::condemned && !with.condemned_are_absent);
      if (seen && packs[pack].indexed) writer.usable.set(pack);
    }
    return true;
  }
  bool store(size_t session, size_t pack, ChunkSet content) {
    Session& writer = sessions[session];
    if (writer.work != Work::writing || packs[pack].fate != Fate::none || content.none()) return false;
    packs[pack] = {.fate = Fate::stored, .indexed = false, .content = content, .older = {}};
    writer.own.set(pack);
    return true;
  }
  bool flush(size_t session, const Safeguards& with) {
    Session& writer = sessions[session];
    if (writer.work != Work::writing || writer.own.none()) return false;
    for (size_t pack = 0; pack < PackCount; ++pack) {
      if (!writer.own.test(pack)) continue;
      packs[pack].indexed = packs[pack].fate != Fate::purged;
      become_known(pack, with);
    }
    writer.usable |= writer.own;
    writer.own.reset();
    return true;
  }
  // All that a point of this session may hold: what it stored, what it found, what live parents hold.
  ChunkSet reach(size_t session, const Safeguards& with) const {
    ChunkSet chunks;
    for (size_t pack = 0; pack < PackCount; ++pack) {
      if (sessions[session].usable.test(pack) || sessions[session].own.test(pack)) chunks |= packs[pack].content;
    }
    for (const Point& point : points) {
      const bool counts = point.life == Life::live ||
                          (point.life == Life::forgotten && !with.forgotten_parent_stops_commit);
      if (counts) chunks |= point.chunks;
    }
    return chunks;
  }
  bool commit(size_t session, size_t point, ChunkSet chunks, const Safeguards& with) {
    const Session& writer = sessions[session];
    if (writer.work != Work::writing || points[point].life == Life::live) return false;
    if (writer.fenced && with.fence_stops_commit) return false;
    if (writer.own.any() && with.index_before_commit) return false;
    if ((chunks & ~reach(session, with)).any()) return false;
    points[point] = {.life = Life::live, .chunks = chunks};
    leave(session);
    return true;
  }
  // Gives up, or dies.
  bool end(size_t session) {
    if (sessions[session].work == Work::idle) return false;
    leave(session);
    return true;
  }
  bool fence(size_t session) {
    Session& writer = sessions[session];
    if (writer.work != Work::writing || writer.fenced) return false;
    writer.fenced = true;
    for (Pack& pack : packs) pack.older.reset(session);
    return true;
  }
  bool forget(size_t point) {
    if (points[point].life != Life::live) return false;
    points[point].life = Life::forgotten;
    return true;
  }
  bool undelete(size_t point, const Safeguards& with) {
    if (points[point].life != Life::forgotten) return false;
    if (with.undelete_checks_chunks && (points[point].chunks & ~readable()).any()) return false;
    points[point].life = Life::live;
    if (with.purge_sees_undeletes) stop_purgers(PackSet().set());
    return true;
  }
  bool condemn(size_t pack) {
    if (packs[pack].fate != Fate::stored) return false;
    packs[pack].fate = Fate::condemned;
    packs[pack].older.reset();
    for (size_t session = 0; session < SessionCount; ++session) {
      const Session& writer = sessions[session];
      if (writer.work == Work::writing && !writer.fenced) packs[pack].older.set(session);
    }
    return true;
  }
  bool spare(size_t pack, const Safeguards& with) {
    if (packs[pack].fate != Fate::condemned) return false;
    packs[pack].fate = Fate::stored;
    packs[pack].older.reset();
    if (with.purge_sees_spared) stop_purgers(PackSet().set(pack));
    if (packs[pack].indexed) become_known(pack, with);
    return true;
  }
  // A collector looks at all live points and chooses what it will purge. Where a chunk has only condemned homes, one of
  // them stays: the first or the last.
  bool mark(size_t session, bool last_home, const Safeguards& with) {
    Session& purger = sessions[session];
    if (purger.work != Work::idle) return false;
    PackSet victims;
    for (size_t pack = 0; pack < PackCount; ++pack) {
      const bool waited = packs[pack].older.none() || !with.waits_for_old_sessions || !with.waits_before_marking;
      if (packs[pack].fate == Fate::condemned && waited) victims.set(pack);
    }
    if (with.marks_again) {
      for (size_t chunk = 0; chunk < ChunkCount; ++chunk) keep_home(chunk, last_home, victims);
    }
    if (victims.none()) return false;
    purger.work = Work::purging;
    purger.victims = victims;
    return true;
  }
  bool purge(size_t session, const Safeguards& with) {
    if (sessions[session].work != Work::purging) return false;
    const PackSet victims = sessions[session].victims;
    for (size_t pack = 0; pack < PackCount; ++pack) {
      if (!victims.test(pack)) continue;
      if (packs[pack].fate != Fate::condemned) return false;
      if (with.waits_for_old_sessions && !with.waits_before_marking && packs[pack].older.any()) return false;
    }
    leave(session);
    for (size_t pack = 0; pack < PackCount; ++pack) {
      if (victims.test(pack)) lose(pack);
    }
    if (with.purge_sees_other_purges) stop_purgers(PackSet().set());
    return true;
  }
  // Faults of a collector that keeps no order: an object, or its place in the index, goes before the purge record.
  bool remove_early(size_t pack, const Safeguards& with) {
    if (with.record_before_removal || packs[pack].fate != Fate::condemned) return false;
    lose(pack);
    return true;
  }
  bool drop_from_index_early(size_t pack, const Safeguards& with) {
    if (with.merge_keeps_condemned || packs[pack].fate != Fate::condemned || !packs[pack].indexed) return false;
    packs[pack].indexed = false;
    return true;
  }

  // Chunks that a reader finds.
  ChunkSet readable() const {
    ChunkSet chunks;
    for (const Pack& pack : packs) {
      if (pack.indexed && pack.fate != Fate::purged) chunks |= pack.content;
    }
    return chunks;
  }
  // The promise: no committed live point ever lacks a chunk.
  bool holds() const {
    const ChunkSet there = readable();
    for (const Point& point : points) {
      if (point.life == Life::live && (point.chunks & ~there).any()) return false;
    }
    return true;
  }

 private:
  // Sessions that read the index from now on may find it there; those that began after its condemnation do not.
  void become_known(size_t pack, const Safeguards& with) {
    for (size_t session = 0; session < SessionCount; ++session) {
      if (sessions[session].work != Work::writing) continue;
      const bool sees = packs[pack].fate == Fate::stored ||
                        (packs[pack].fate == Fate::condemned &&
                         (packs[pack].older.test(session) || sessions[session].fenced || !with.condemned_are_absent));
      if (sees) sessions[session].usable.set(pack);
    }
  }
  void keep_home(size_t chunk, bool last_home, PackSet& victims) const {
    bool needed = false;
    for (const Point& point : points) needed |= point.life == Life::live && point.chunks.test(chunk);
    if (!needed) return;
    size_t home = PackCount;
    for (size_t pack = 0; pack < PackCount; ++pack) {
      if (!packs[pack].indexed || !packs[pack].content.test(chunk)) continue;
      if (packs[pack].fate == Fate::stored) return;
      if (packs[pack].fate == Fate::condemned && (home == PackCount || last_home)) home = pack;
    }
    if (home != PackCount) victims.reset(home);
  }
  void stop_purgers(PackSet concerned) {
    for (Session& session : sessions) {
      if (session.work == Work::purging && (session.victims & concerned).any()) session = {};
    }
  }
  // Object and index entry go some time after; nobody looks at them any more.
  void lose(size_t pack) {
    packs[pack].fate = Fate::purged;
    packs[pack].indexed = false;
    packs[pack].older.reset();
    clear_if_unknown(pack);
  }
  void leave(size_t session) {
    const Session before = sessions[session];
    sessions[session] = {};
    for (size_t pack = 0; pack < PackCount; ++pack) {
      packs[pack].older.reset(session);
      // What no segment will ever name is found by nobody.
      if (before.own.test(pack) && !packs[pack].indexed) packs[pack].fate = Fate::purged;
      clear_if_unknown(pack);
    }
  }
  // The place serves another pack once nobody can mistake the one for the other.
  void clear_if_unknown(size_t pack) {
    if (packs[pack].fate != Fate::purged) return;
    for (const Session& session : sessions) {
      if (session.usable.test(pack) || session.own.test(pack)) return;
    }
    for (Session& session : sessions) session.victims.reset(pack);
    packs[pack] = {};
  }
};

}  // namespace holdfast::model
