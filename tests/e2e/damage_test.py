# SPDX-License-Identifier: Apache-2.0
"""Damage of any kind is found and never restored as if it were good."""

import os
import random
import shutil

import pytest
import tree_walker
from holdfast import DAMAGED, DONE, FAILED, SKIPS, WRONG_KEY


@pytest.fixture(name="stocked")
def fixture_stocked(user, plain):
    """A vault with two points, of which a pristine copy is kept."""
    user.backup(plain)
    with open(f"{plain}/sub/new", "wb") as out:
        out.write(random.Random(9).randbytes(100_000))
    user.backup("--tag", "second", plain)
    shutil.copytree(user.vault, f"{user.place}/pristine")
    return user


def heal(user, name):
    shutil.copyfile(f"{user.place}/pristine/{name}", f"{user.vault}/{name}")


def test_a_sound_vault_passes(stocked):
    for options in ((), ("--data",), ("--sample", "10%")):
        stocked.run("verify", *options)


def flip(path, bit):
    os.chmod(path, 0o600)
    with open(path, "r+b") as out:
        out.seek(bit // 8)
        byte = out.read(1)[0]
        out.seek(bit // 8)
        out.write(bytes([byte ^ (1 << bit % 8)]))


def bits_to_flip(size, chance, count):
    """Both ends, where the seals and trailers are, and anywhere."""
    chosen = {0, 7, size * 8 - 1, size * 8 - 8, size * 4}
    chosen |= {chance.randrange(size * 8) for _ in range(count)}
    return sorted(bit for bit in chosen if 0 <= bit < size * 8)


def flips_unseen(user, chance, count):
    unseen, tried = [], 0
    for name in user.objects():
        path = f"{user.vault}/{name}"
        size = os.path.getsize(path)
        for bit in bits_to_flip(size, chance, count):
            flip(path, bit)
            outcome = user.run("verify", "--data", expect=(DONE, DAMAGED, FAILED, WRONG_KEY, 10))
            if outcome.code == DONE:
                unseen.append(f"{name}: bit {bit} of {size * 8}")
            tried += 1
            heal(user, name)
    print(f"{tried} flips in {len(user.objects())} objects")
    return unseen


def test_a_flipped_bit_in_any_object_is_found(stocked, seed):
    assert flips_unseen(stocked, random.Random(seed), 2) == []
    stocked.run("verify", "--data")


@pytest.mark.long
def test_many_flipped_bits_in_every_object_are_found(stocked, seed):
    assert flips_unseen(stocked, random.Random(seed), 60) == []


def test_a_flipped_bit_in_a_pack_is_damage_by_exit_code(stocked):
    packs = sorted(stocked.objects(), key=lambda name: os.path.getsize(f"{stocked.vault}/{name}"))
    name = packs[-1]
    flip(f"{stocked.vault}/{name}", os.path.getsize(f"{stocked.vault}/{name}") * 4)
    outcome = stocked.run("verify", "--data", expect=DAMAGED)
    assert os.path.basename(name)[:8] in outcome.text + outcome.errors


def test_a_missing_newest_log_record_is_found_by_who_remembers_it(stocked):
    os.unlink(f"{stocked.vault}/{newest_log_record(stocked)}")
    stocked.run("verify", "--data", expect=(DAMAGED, FAILED))


def newest_log_record(user):
    return max(name for name in user.objects() if name.startswith("log/"))


def test_a_shortened_a_lengthened_and_a_missing_object_are_found(stocked):
    newest = newest_log_record(stocked)
    for name in stocked.objects():
        path = f"{stocked.vault}/{name}"
        size = os.path.getsize(path)
        os.chmod(path, 0o600)
        for what, harm in {"shortened": lambda p=path, s=size: os.truncate(p, s - 1),
                           "halved": lambda p=path, s=size: os.truncate(p, s // 2),
                           "lengthened": lambda p=path, s=size: os.truncate(p, s + 1),
                           "gone": lambda p=path: os.unlink(p)}.items():
            if what == "gone" and name == newest:
                continue  # See below.
            harm()
            outcome = stocked.run("verify", "--data", expect=(DONE, DAMAGED, FAILED, WRONG_KEY, 10))
            assert outcome.code != DONE, f"{name} {what} went unseen"
            heal(stocked, name)
    stocked.run("verify", "--data")


def test_a_swapped_object_is_found(stocked):
    by_folder = {}
    for name in stocked.objects():
        by_folder.setdefault(os.path.dirname(name), []).append(name)
    pairs = [names[:2] for names in by_folder.values() if len(names) > 1]
    assert pairs
    for one, other in pairs:
        shutil.copyfile(f"{stocked.place}/pristine/{other}", f"{stocked.vault}/{one}")
        outcome = stocked.run("verify", "--data", expect=(DONE, DAMAGED, FAILED, WRONG_KEY, 10))
        assert outcome.code != DONE, f"{one} holding {other} went unseen"
        heal(stocked, one)


def test_damaged_data_is_never_restored_as_good(stocked, plain, seed):
    chance = random.Random(seed)
    expected = tree_walker.walk(plain)
    for name in stocked.objects():
        path = f"{stocked.vault}/{name}"
        flip(path, chance.randrange(os.path.getsize(path) * 8))
        back = f"{stocked.place}/back"
        outcome = stocked.run("restore", f"latest:{plain}", "--to", back,
                              expect=(DONE, SKIPS, FAILED, DAMAGED, WRONG_KEY, 10))
        actual = tree_walker.walk(back) if os.path.isdir(back) else {}
        if outcome.code == DONE:
            assert tree_walker.compare(expected, actual) == [], f"{name} was damaged, and the restore said it was done"
        for entry, found in actual.items():
            if "content" in found and "content" in expected.get(entry, {}) and \
                    found["mtime_ns"] == expected[entry]["mtime_ns"]:
                assert found["content"] == expected[entry]["content"], f"{entry} came back wrong and looks right"
        heal(stocked, name)
        if os.path.isdir(back):
            shutil.rmtree(back)


def test_the_rest_is_restored_when_one_pack_is_lost(stocked, plain):
    sizes = {name: os.path.getsize(f"{stocked.vault}/{name}") for name in stocked.objects()}
    os.unlink(f"{stocked.vault}/{max(sizes, key=sizes.get)}")
    back = f"{stocked.place}/back"
    outcome = stocked.run("restore", f"latest:{plain}", "--to", back, expect=(SKIPS, DAMAGED, FAILED))
    assert outcome.errors.strip()
    stocked.run("verify", expect=DAMAGED)
