"""The front of the program: help, version, unknown commands, bad options, a reader that goes away."""

import os
import subprocess
import unittest

from run_tern import TernTest, command, tern

COMMANDS = ["bench", "machine", "model", "store"]


class CommandLine(TernTest):
    def test_help_lists_the_commands(self):
        for args in (["--help"], ["-h"], ["help"]):
            out = self.run_ok(*args)
            for name in COMMANDS:
                self.assertIn(f"\n  {name} ", out)

    def test_without_arguments_help_goes_to_stderr(self):
        result = tern()
        self.assertEqual(result.returncode, 2)
        self.assertEqual(result.stdout, "")
        self.assertIn("usage: tern COMMAND", result.stderr)

    def test_help_of_a_command(self):
        for name in COMMANDS:
            by_help = self.run_ok("help", name)
            self.assertIn(f"tern {name}", by_help)
            self.assertEqual(by_help, self.run_ok(name, "--help"))

    def test_version(self):
        self.assertRegex(self.run_ok("--version"), r"\Atern \d+\.\d+\.\d+ \(.+\)\n")

    def test_unknown_commands_are_refused_with_the_list(self):
        for args in (["benhc"], ["help", "benhc"], ["--bench"], [""]):
            self.assert_refused(*args, says=COMMANDS)

    def test_bad_options_are_one_sentence(self):
        for name in COMMANDS:
            self.assert_refused(name, "--no-such-option", says=f"tern {name}: ")
        self.assert_refused("machine", "-o", "yaml", says=["md", "json", "yaml"])
        self.assert_refused("machine", "--kernels", "mmx", says=["mmx", "scalar"])
        self.assert_refused("machine", "--kernels", "scalar+bf16", says=["no row", "scalar+bf16", "usable here: "])
        self.assert_refused("store", says="tern store: ")
        self.assert_refused("store", "burn", says="burn")

    @unittest.skipUnless(os.path.exists("/dev/full"), "no /dev/full")
    def test_a_full_disk_is_a_failure(self):
        with open("/dev/full", "w") as full:
            result = tern("--help", stdout=full)
        self.assertEqual(result.returncode, 1)
        self.assertIn("could not write the result", result.stderr)

    def test_help_into_a_pipe_that_closes(self):
        process = subprocess.Popen(
            command("TERN_BINARY", "--help"), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        process.stdout.close()
        process.stderr.read()
        process.stderr.close()
        self.assertNotEqual(process.wait(timeout=60), 139)


if __name__ == "__main__":
    unittest.main()
