#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""bench/compare and its like: what they conclude from samples, and that they see a restore that is wrong."""

import os
import shutil
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
from compare_lib import buckets, report  # noqa: E402
from compare_lib.measure import CommandFailed, TreeReaders, run_measured  # noqa: E402
from compare_lib.sets import DataSet, put_back  # noqa: E402


def sample(tool, seconds, stored_bytes, rss_bytes=100 << 20):
    cost = {"seconds": seconds, "cpu_seconds": seconds, "other_cpu_seconds": seconds / 2, "rss_bytes": rss_bytes, "flush_seconds": 0}
    return {"tool": tool, "stored_bytes": stored_bytes,
            "phases": {"first": cost, "unchanged": cost, "restore": cost}}


def verdicts(samples, name="A"):
    return {verdict["what"]: verdict for verdict in report.judge(name, report.medians_of(samples))}


class ConclusionTest(unittest.TestCase):
    def test_the_ratio_is_to_the_fastest_peer_by_median(self):
        samples = [sample("restic", seconds, 100) for seconds in (9.0, 8.0, 100.0)]
        samples += [sample("kopia", 10.0, 90), sample("holdfast", 2.0, 80)]
        first = verdicts(samples)["first"]
        self.assertEqual(("restic", 9.0), (first["best_peer"], first["best_peer_value"]))
        self.assertEqual(4.5, first["ratio"])
        self.assertTrue(first["met"])

    def test_a_bound_that_is_missed_is_not_met(self):
        met = verdicts([sample("restic", 7.9, 100), sample("holdfast", 2.0, 80)])
        self.assertFalse(met["first"]["met"])
        self.assertTrue(met["restore"]["met"])

    def test_bytes_are_judged_against_the_smallest_peer(self):
        samples = [sample("restic", 1, 100), sample("kopia", 9, 90), sample("holdfast", 1, 79)]
        self.assertFalse(verdicts(samples)["stored"]["met"])
        samples[-1]["stored_bytes"] = 78
        self.assertTrue(verdicts(samples)["stored"]["met"])

    def test_the_highest_peak_of_memory_counts(self):
        samples = [sample("holdfast", 1, 1), sample("holdfast", 1, 1, 600 << 20), sample("holdfast", 1, 1)]
        self.assertFalse(verdicts(samples)["rss"]["met"])

    def test_work_of_others_is_a_share_of_all_cores(self):
        self.assertEqual(0.125, report.other_work_share([sample("restic", 2.0, 1), sample("borg", 4.0, 1)], 4))

    def test_parity_is_held_against_holdfast_without_and_is_no_peer(self):
        samples = [sample("holdfast", 2.0, 100), sample("holdfast-parity", 2.2, 103), sample("restic", 9.0, 200)]
        judged = report.judge("A", report.medians_of(samples))
        self.assertEqual("restic", next(one for one in judged if one["what"] == "first")["best_peer"])
        parity = {one["of"]: one["met"] for one in judged if one["what"] == "parity"}
        self.assertTrue(parity["stored"])
        self.assertFalse(parity["first"])

    def test_without_holdfast_nothing_is_claimed(self):
        self.assertTrue(all(one["met"] is None for one in verdicts([sample("restic", 1, 1)]).values()))


class BucketTest(unittest.TestCase):
    def judged(self, samples, listings):
        results = {"sets": {"S": {"samples": samples, "listings": listings}}}
        buckets.conclude(results)
        return {verdict["what"]: verdict for verdict in results["sets"]["S"]["bounds"]}

    def test_no_slower_than_the_faster_copier(self):
        samples = [sample("rclone", 3.0, 1), sample("aws", 9.0, 1), sample("holdfast", 3.0, 1)]
        first = self.judged(samples, {})["first backup"]
        self.assertEqual(("rclone", 1.0, True), (first["beside"], first["ratio"], first["met"]))
        samples[-1] = sample("holdfast", 3.1, 1)
        self.assertFalse(self.judged(samples, {})["first backup"]["met"])
        self.assertFalse(self.judged(samples, {})["restore"]["met"])

    def test_an_unchanged_backup_is_held_against_the_fastest_listing_by_median(self):
        samples = [sample("holdfast", 2.4, 1)]
        listings = {"threads": [2.0, 100.0, 1.9], "rclone lsf": [3.0]}
        name = "unchanged backup, to a bare listing"
        unchanged = self.judged(samples, listings)[name]
        self.assertEqual(("threads", 1.2, True), (unchanged["beside"], unchanged["ratio"], unchanged["met"]))
        self.assertFalse(self.judged([sample("holdfast", 2.5, 1)], listings)[name]["met"])
        self.assertNotIn(name, self.judged(samples, {}))

    def test_a_set_is_the_same_each_time_and_as_large_as_was_said(self):
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        readers = TreeReaders()
        self.addCleanup(readers.close)
        digests = []
        for _ in range(2):
            data = buckets.BucketSet("S", 2_500, 10, folder)
            data.make()
            self.assertEqual((4, 2_500, 25_000), readers.warm(data.path))
            self.assertEqual(sorted(os.listdir(data.path)), data.folders)
            digests.append(readers.digest(data.path)["content"])
            shutil.rmtree(data.path)
        self.assertEqual(*digests)


class TreeTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        self.readers = TreeReaders()
        self.addCleanup(self.readers.close)
        self.one = self.make_tree("one")
        self.two = self.make_tree("two")

    def make_tree(self, name):
        root = os.path.join(self.folder, name)
        os.makedirs(os.path.join(root, "deep", "deeper"))
        for path in ("x", "deep/y", "deep/deeper/z"):
            with open(os.path.join(root, path), "wb") as file:
                file.write(path.encode() * 1000)
            os.utime(os.path.join(root, path), (1_000_000_000, 1_000_000_000))
        os.symlink("x", os.path.join(root, "link"))
        os.mkdir(os.path.join(root, "empty"))
        return root

    def content(self, root):
        return self.readers.digest(root)["content"]

    def test_equal_trees_have_one_digest(self):
        self.assertEqual(self.readers.digest(self.one), self.readers.digest(self.two))
        self.assertEqual((4, 3), self.readers.warm(self.one)[:2])

    def test_one_changed_byte_is_seen(self):
        with open(os.path.join(self.two, "deep/deeper/z"), "r+b") as file:
            file.write(b"D")
        self.assertNotEqual(self.content(self.one), self.content(self.two))

    def test_a_missing_file_a_missing_folder_and_a_wrong_link_are_seen(self):
        before = self.content(self.one)
        os.rmdir(os.path.join(self.two, "empty"))
        self.assertNotEqual(before, self.content(self.two))
        os.unlink(os.path.join(self.one, "link"))
        without = self.content(self.one)
        self.assertNotEqual(before, without)
        os.symlink("deep", os.path.join(self.one, "link"))
        self.assertNotIn(self.content(self.one), (before, without))

    def test_a_file_moved_between_folders_is_seen(self):
        os.rename(os.path.join(self.two, "deep/y"), os.path.join(self.two, "deep/deeper/y"))
        self.assertNotEqual(self.content(self.one), self.content(self.two))

    def test_a_mode_or_time_counts_as_metadata_only(self):
        os.utime(os.path.join(self.two, "x"), (5, 5))
        one, two = self.readers.digest(self.one), self.readers.digest(self.two)
        self.assertEqual(one["content"], two["content"])
        self.assertNotEqual(one["metadata"], two["metadata"])

    def test_a_version_goes_back_to_its_name_even_after_a_kill(self):
        data = DataSet("E", os.path.join(self.folder, "tree"), "", [self.one, self.two])
        with data.version_in_place(self.one):
            self.assertTrue(os.path.exists(os.path.join(data.path, "x")))
        self.assertTrue(os.path.isdir(self.one))
        killed = data.version_in_place(self.two)
        killed.__enter__()  # and never left
        self.assertFalse(os.path.exists(self.two))
        put_back(data.path)
        self.assertTrue(os.path.isdir(self.two))
        self.assertFalse(os.path.exists(data.path))
        del killed


class CommandTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        self.log = os.path.join(folder, "log")

    def test_peak_memory_and_processor_time_are_of_the_command(self):
        program = "block = bytearray(200 << 20); sum(range(3_000_000))"
        cost = run_measured([sys.executable, "-c", program], {}, "/", self.log)
        self.assertGreater(cost["rss_bytes"], 200 << 20)
        self.assertGreater(cost["cpu_seconds"], 0)
        self.assertGreaterEqual(cost["other_cpu_seconds"], 0)

    def test_a_command_that_fails_says_why(self):
        with self.assertRaisesRegex(CommandFailed, "exit status 3: .*no such thing"):
            run_measured(["sh", "-c", "echo no such thing; exit 3"], os.environ, "/", self.log)


if __name__ == "__main__":
    unittest.main()
