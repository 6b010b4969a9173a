"""Runs the cases of test/claims/cases, whose first lines say the form, with the Python class and,
where it is built, with the native one."""

import os
import struct
import sys
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.environ.get("PASSENGER_LIB", os.path.join(HERE, "../../lib/passenger")), "python"))
sys.argv[0] = os.path.join(sys.path[0], "instance.py")  # native code is beside it

from mod_passenger import claim, native  # noqa: E402


def memory_file(length):
    descriptor = os.memfd_create("test")
    os.truncate(descriptor, length)
    return descriptor


class ClaimTest(unittest.TestCase):
    def kinds(self):
        return [claim.Claim] + ([native.module.Claim] if native.module else [])

    def setUp(self):
        self.claims = memory_file(64 + 32 * 1024)
        self.marks = memory_file(16512 + 8 * 65536)
        self.addCleanup(os.close, self.claims)
        self.addCleanup(os.close, self.marks)

    def cell(self, number):
        return struct.unpack("<QQ", os.pread(self.claims, 16, 64 + 32 * number))

    def answered(self, number):
        return struct.unpack("<QQ", os.pread(self.claims, 16, 80 + 32 * number))

    def run_case(self, kind, lines):
        os.truncate(self.claims, 0)
        os.truncate(self.claims, 64 + 32 * 1024)
        os.truncate(self.marks, 0)
        os.truncate(self.marks, 16512 + 8 * 65536)
        claims = {}
        begin = time.monotonic_ns()
        for line in lines:
            name, *words = line.split(" ")
            outcome = words.pop() if name in ("take", "counted") else None
            numbers = [int(word, 0) for word in words]
            number = numbers[0]
            if name in ("take", "clear", "complete"):
                one = claims.setdefault(number, None) or kind(self.claims, self.marks, number)
                claims[number] = one
            if name == "mark":
                os.pwrite(self.marks, struct.pack("<Q", numbers[1]), 16512 + 8 * number)
            elif name == "cell":
                os.pwrite(self.claims, struct.pack("<QQ", *numbers[1:]), 64 + 32 * number)
            elif name == "answered":
                os.pwrite(self.claims, struct.pack("<Q", numbers[1]), 80 + 32 * number)
            elif name == "take":
                self.assertEqual(outcome == "run", one.take(*numbers[1:]), line)
            elif name == "clear":
                one.clear()
            elif name == "complete":
                one.complete()
            elif name == "counted":
                count, last_used = self.answered(number)
                earliest, latest = (begin, time.monotonic_ns()) if outcome == "used" else (0, 0)
                self.assertEqual((numbers[1], True), (count, earliest <= last_used <= latest), line)
            elif name == "expect":
                self.assertEqual(tuple(numbers[1:]), self.cell(number), line)
            else:
                self.fail("no such statement: " + line)

    def test_each_case_of_claims_holds(self):
        with open(os.path.join(HERE, "../claims/cases"), encoding="utf-8") as file:
            lines = [line.rstrip("\n") for line in file if line.strip() and not line.startswith("#")]
        begins = [index for index, line in enumerate(lines) if line.startswith("case ")]
        self.assertGreater(len(begins), 10)
        for begin, end in zip(begins, begins[1:] + [len(lines)]):
            for kind in self.kinds():
                with self.subTest(lines[begin], kind=kind):
                    self.run_case(kind, lines[begin + 1 : end])

    def test_the_claim_is_written_before_the_mark_is_read(self):
        with self.assertRaises(OSError):
            claim.Claim(self.claims, 9999, 0).take(0x50011, 9)
        self.assertEqual((0x50011, 9), self.cell(0))

    def test_a_closed_claim_changes_nothing_and_runs_nothing(self):
        for kind in self.kinds():
            os.pwrite(self.marks, struct.pack("<Q", 0x500000000), 16512 + 8 * 17)
            one = kind(self.claims, self.marks, 3)
            self.assertTrue(one.take(0x50011, 9))
            one.close()
            one.clear()
            one.complete()
            self.assertFalse(one.take(0x50011, 10))
            self.assertEqual((0x50011, 9), self.cell(3))
            self.assertEqual((0, 0), self.answered(3))


if __name__ == "__main__":
    unittest.main()
