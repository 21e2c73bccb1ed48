# SPDX-License-Identifier: Apache-2.0
"""Damage of any kind is found and never restored as if it were good; with parity, as vaults have it by default, it is
mended by whoever meets it, written back and told."""

import os
import random
import re
import shutil

import pytest
import tree_walker
from holdfast import DAMAGED, DONE, FAILED, SKIPS, WRONG_KEY, Holdfast


def stock(user, plain):
    """Two points, and a pristine copy of the vault that has them."""
    user.backup(plain)
    with open(f"{plain}/sub/new", "wb") as out:
        out.write(random.Random(9).randbytes(100_000))
    user.backup("--tag", "second", plain)
    shutil.copytree(user.vault, f"{user.place}/pristine")
    return user


@pytest.fixture(name="stocked")
def fixture_stocked(binary, place, plain):
    """A stocked vault without parity: nothing in it can be mended."""
    user = Holdfast(binary, place, os.path.join(place, "vault"))
    user.create("--parity", "0")
    return stock(user, plain)


@pytest.fixture(name="sturdy")
def fixture_sturdy(user, plain):
    """A stocked vault as it is made by default."""
    return stock(user, plain)


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


def read(path):
    with open(path, "rb") as stored:
        return stored.read()


def is_whole(user, name):
    return read(f"{user.vault}/{name}") == read(f"{user.place}/pristine/{name}")


def key_of(name):
    """Of an object, by its path in the folder."""
    return re.sub(r"/@[0-9a-f]+/", "/", name)


def expect_told(name, outcome):
    """Every repair is told; only the marker of parity itself is read before anybody could be."""
    if name != "store/parity":
        assert f"repaired: object {key_of(name)}" in outcome.errors, f"{name}: {outcome.errors}"


def harms(chance, path):
    """Ways to spoil an object that its parity can put right."""
    size = os.path.getsize(path)

    def write(at, data):
        with open(path, "r+b") as out:
            out.seek(at)
            out.write(data)

    def lengthen():
        with open(path, "ab") as out:
            out.write(b"more")

    page = chance.randrange(size) // 4096 * 4096
    return {"a flipped bit": lambda: flip(path, chance.randrange(size * 8)),
            "its first bit": lambda: flip(path, 0),
            "its last bit": lambda: flip(path, size * 8 - 1),
            "bytes overwritten": lambda: write(chance.randrange(size - 8), b"overwrit"),
            "a page of noise": lambda: write(page, chance.randbytes(min(4096, size - page))),
            "shortened": lambda: os.truncate(path, size - 1),
            "lengthened": lengthen}


def test_verify_mends_what_parity_can_mend_and_tells(sturdy, seed, counts):
    chance, count = random.Random(seed), 0
    for name in sturdy.objects():
        path = f"{sturdy.vault}/{name}"
        os.chmod(path, 0o600)
        for what, harm in harms(chance, path).items():
            harm()
            assert not is_whole(sturdy, name), f"{name}: {what} changed nothing"
            outcome = sturdy.run("verify", "--data")
            assert is_whole(sturdy, name), f"{name}: {what} was not written back\n{outcome.errors}"
            expect_told(name, outcome)
            count += 1
    assert "repaired" not in sturdy.run("verify", "--data").errors
    counts("verify with parity", damages_mended=count)


def test_scrub_mends_without_a_key_and_tells(sturdy, seed):
    chance = random.Random(seed)
    del sturdy.environment["HOLDFAST_PASSWORD"]
    names = sturdy.objects()
    for name in names:
        path = f"{sturdy.vault}/{name}"
        os.chmod(path, 0o600)
        chance.choice(list(harms(chance, path).values()))()
    outcome = sturdy.run("scrub", "--json")
    assert outcome.lines()[-1]["lost"] == 0
    for name in names:
        assert is_whole(sturdy, name), name
        expect_told(name, outcome)
    told = {line["object"] for line in outcome.lines() if line["type"] == "repaired"}
    assert told == set(map(key_of, names)) - {"store/parity"}


def test_without_what_says_that_it_has_parity_a_vault_is_whole_all_the_same(sturdy):
    os.unlink(f"{sturdy.vault}/store/parity")
    assert sturdy.run("scrub", "--json").lines()[-1]["lost"] == 0
    assert is_whole(sturdy, "store/parity")


def test_a_restore_of_a_damaged_vault_is_whole_and_leaves_it_mended(sturdy, plain, seed):
    chance = random.Random(seed)
    expected = tree_walker.walk(plain)
    for name in sturdy.objects():
        path = f"{sturdy.vault}/{name}"
        os.chmod(path, 0o600)
        chance.choice(list(harms(chance, path).values()))()
    back = f"{sturdy.place}/back"
    outcome = sturdy.run("restore", f"latest:{plain}", "--to", back)
    assert tree_walker.compare(expected, tree_walker.walk(back)) == []
    assert "repaired: object" in outcome.errors
    sturdy.run("verify", "--data")
    for name in sturdy.objects():
        assert is_whole(sturdy, name), name


def test_what_parity_cannot_mend_is_damage_and_nothing_is_written(sturdy):
    packs = [name for name in sturdy.objects() if name.startswith("data/")]
    name = max(packs, key=lambda pack: os.path.getsize(f"{sturdy.vault}/{pack}"))
    path = f"{sturdy.vault}/{name}"
    os.chmod(path, 0o600)
    size = os.path.getsize(path)
    with open(path, "r+b") as out:
        out.write(random.Random(4).randbytes(size // 2))
    spoilt = read(path)
    outcome = sturdy.run("verify", "--data", expect=DAMAGED)
    assert os.path.basename(name)[:8] in outcome.text + outcome.errors
    assert read(path) == spoilt
    sturdy.run("scrub", expect=DAMAGED)
    assert read(path) == spoilt
