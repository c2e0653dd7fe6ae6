"""turso:db:* by the Platform API and by the turso command line, both stood in for."""
import json
import os
import stat
import time

from harness import HERE, PLATFORM_TOKEN, ROOT, TaskTestCase, python
from standin_api import StandInAPI

CLI_TOKEN = "eyJhbGciOiJFZERTQSJ9.eyJpZCI6ImNsaSJ9.c2lnbmF0dXJl"


class ByTheAPI(TaskTestCase):
    """No turso command line: curl asks the Platform API."""

    def setUp(self):
        super().setUp()
        self.api = StandInAPI(PLATFORM_TOKEN)
        self.addCleanup(self.api.close)

    def variables(self, **more):
        return {
            "TURSO_API_TOKEN": PLATFORM_TOKEN, "TURSO_ORG": "hostel", "TURSO_API_BASEURL": self.api.url,
            "TURSO_VIA": "api", "TURSO_DESTROY_CHECKS": "1", **more}

    def turso(self, name, *arguments, **more):
        return self.task(f"turso:db:{name}", *arguments, **self.variables(**more))

    def test_create_makes_the_database_and_prints_its_address_alone(self):
        result = self.turso("create", "spring")
        self.assert_succeeds(result)
        self.assertEqual(result.output, "libsql://spring-hostel.turso.example\n")
        self.assertEqual(self.api.databases, {"spring": "default"})

    def test_the_group_and_the_name_may_come_from_variables(self):
        self.assert_succeeds(self.turso("create", TURSO_GROUP="europe", TURSO_DB_NAME="spring"))
        self.assertEqual(self.api.databases, {"spring": "europe"})

    def test_empty_variables_are_unset(self):
        result = self.turso(
            "create", "spring", TURSO_GROUP="", TURSO_VIA="api", TURSO_API_TIMEOUT_SECS="", TURSO_PLATFORM_TOKEN="",
            TURSO_TEST_DB_PREFIX="", TURSO_TOKEN_EXPIRATION="", TURSO_DB_NAME="", TURSO_API_TOKEN_FILE="")
        self.assert_succeeds(result)
        self.assertEqual(self.api.databases, {"spring": "default"})
        self.assert_fails(self.turso("url", "spring", TURSO_API_TOKEN=""), 77, "no access to Turso")
        self.assert_fails(self.turso("url", "spring", TURSO_ORG=""), 77, "TURSO_ORG")

    def test_the_names_of_turso_s_own_kits_are_taken_too(self):
        self.api.databases["spring"] = "default"
        result = self.turso(
            "url", "spring", TURSO_API_TOKEN="", TURSO_PLATFORM_TOKEN=PLATFORM_TOKEN, TURSO_ORG="",
            TURSO_ORGANIZATION="hostel")
        self.assert_succeeds(result)

    def test_the_platform_token_may_be_in_a_file(self):
        self.api.databases["spring"] = "default"
        path = self.folder / "token"
        path.write_text(PLATFORM_TOKEN + "\n", encoding="utf-8")
        path.chmod(0o640)
        self.assert_fails(
            self.turso("url", "spring", TURSO_API_TOKEN="", TURSO_API_TOKEN_FILE=str(path)), 77, "others can read")
        path.chmod(0o600)
        for name in ("url", "token"):
            # Relative to the repository, as everything in .env.
            for place in (str(path), os.path.relpath(path, ROOT)):
                self.assert_succeeds(self.turso(name, "spring", TURSO_API_TOKEN="", TURSO_API_TOKEN_FILE=place))
        self.assert_fails(
            self.turso("url", "spring", TURSO_API_TOKEN="", TURSO_API_TOKEN_FILE=str(path) + "x"), 66, "cannot be read")

    def test_a_name_that_is_taken_is_73(self):
        self.api.databases["spring"] = "default"
        self.assert_fails(self.turso("create", "spring"), 73, "taken")
        self.api.behaviour = {"name-taken-422"}
        self.assert_fails(self.turso("create", "spring"), 73, "taken")

    def test_a_refused_token_is_77(self):
        self.api.behaviour = {"unauthorized"}
        for name in ("create", "url", "token", "destroy"):
            with self.subTest(name):
                self.assert_fails(self.turso(name, "spring"), 77, "does not accept the platform token")
        self.assert_fails(self.turso("sweep"), 77, "does not accept the platform token")

    def test_a_plan_that_allows_no_more_is_77(self):
        self.api.behaviour = {"plan"}
        self.assert_fails(self.turso("create", "spring"), 77, "plan")

    def test_what_is_not_there_is_66(self):
        for name in ("url", "token", "destroy"):
            with self.subTest(name):
                self.assert_fails(self.turso(name, "winter"), 66)
        self.assert_fails(self.turso("create", "winter", TURSO_GROUP="nowhere"), 66, "not found")
        self.assert_fails(self.turso("create", "winter", TURSO_ORG="others"), 66)

    def test_a_slow_answer_is_69_in_time(self):
        self.api.behaviour = {"slow"}
        self.assert_fails(self.turso("url", "spring", TURSO_API_TIMEOUT_SECS="1"), 69, "did not answer within 1 s")

    def test_nobody_at_the_address_is_69(self):
        self.assert_fails(self.turso("url", "spring", TURSO_API_BASEURL="http://127.0.0.1:9"), 69, "cannot be reached")

    def test_an_answer_that_makes_no_sense_is_76(self):
        self.api.databases["spring"] = "default"
        for behaviour, name in (
            ("prose", "url"), ("prose", "create"), ("prose", "token"), ("no-host", "url"), ("no-token", "token"),
            ("other-database", "create"),
        ):
            with self.subTest(behaviour=behaviour, task=name):
                self.api.behaviour = {behaviour}
                self.assert_fails(self.turso(name, "autumn" if name == "create" else "spring"), 76)
        self.api.behaviour = {"prose"}
        self.assert_fails(self.turso("sweep"), 76)

    def test_an_error_that_repeats_the_token_is_not_shown(self):
        self.api.behaviour = {"echo"}
        self.assert_fails(self.turso("url", "spring"), 76)

    def test_the_token_is_sent_to_https_or_this_machine_only(self):
        for address in ("http://api.turso.example", "ftp://api.turso.example", "https://", "api.turso.example",
                        "https://api.turso.example/\n-o x"):
            with self.subTest(address):
                self.assert_fails(self.turso("url", "spring", TURSO_API_BASEURL=address), 64, "TURSO_API_BASEURL")
        self.assertEqual(self.api.requests, [])

    def test_a_token_with_a_line_break_is_not_sent(self):
        self.assert_fails(
            self.turso("url", "spring", TURSO_API_TOKEN='x"\nurl = "http://127.0.0.1:9/'), 77, "characters")
        self.assertEqual(self.api.requests, [])

    def test_a_redirect_is_not_followed(self):
        self.api.databases["spring"] = "default"
        self.api.answer = lambda *_: (307, {"error": "elsewhere"})
        self.assert_fails(self.turso("url", "spring"), 76, "307")

    def test_names_that_turso_would_refuse_are_64(self):
        for name in ("", "Spring", "spring_1", "-spring", "spring-", "s" * 65, "a b", "../x"):
            with self.subTest(name):
                self.assert_fails(self.turso("create", name), 64)
        self.assertEqual(self.api.requests, [])

    def test_a_token_goes_to_standard_output_alone(self):
        self.api.databases["spring"] = "default"
        result = self.turso("token", "spring", "--expiration", "2w", "--read-only")
        self.assert_succeeds(result)
        self.assertEqual(result.output, "e30.e30.c3ByaW5n\n")
        self.assertEqual(result.errors, "")
        self.assertTrue(self.api.requests[-1][1].endswith("tokens?expiration=2w&authorization=read-only"))

    def test_a_token_in_a_file_is_the_owner_s_alone_and_not_shown(self):
        self.api.databases["spring"] = "default"
        self.secrets.add("e30.e30.c3ByaW5n")
        # Relative to where the user is, not to the repository.
        result = self.turso("token", "spring", "token file")
        self.assert_succeeds(result)
        self.assertIn("written to", result.errors)
        path = self.folder / "token file"
        self.assertEqual(path.read_text(encoding="utf-8"), "e30.e30.c3ByaW5n\n")
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)
        self.assert_fails(self.turso("token", "spring", "no/such/folder"), 74, "cannot write")

    def test_destroy_looks_whether_it_is_gone(self):
        self.api.databases["spring"] = "default"
        self.assert_succeeds(self.turso("destroy", "spring", "--yes"))
        self.assertEqual(self.api.databases, {})
        self.api.databases["spring"] = "default"
        self.api.behaviour = {"silent-destroy"}
        self.assert_fails(self.turso("destroy", "spring", "--yes"), 1, "still there")

    def test_destroy_asks_before_it_touches_what_is_not_a_test_s(self):
        self.api.databases.update({"spring": "default", "albergue-ci-1700000000-7": "default"})
        self.assert_fails(self.turso("destroy", "spring"), 64, "confirmed")
        self.assert_succeeds(self.turso("destroy", "albergue-ci-1700000000-7"))
        self.assertEqual(list(self.api.databases), ["spring"])

    def test_sweep_destroys_what_old_tests_left_and_nothing_else(self):
        now = int(time.time())
        kept = ["spring", "albergue-ci-spring", f"albergue-ci-{now - 60}-1", "other-ci-1700000000-1",
                "albergue-ci-17-1x", "albergue-ci-99999999999-1"]
        old = [f"albergue-ci-{now - 8000}-{number}" for number in range(3)]
        self.api.page_size = 4
        self.api.databases.update({name: "default" for name in kept + old + ["albergue-ci-1700000000"]})
        self.assert_succeeds(self.turso("sweep", "--dry-run"))
        self.assertEqual(len(self.api.databases), len(kept) + 4)
        self.assert_succeeds(self.turso("sweep"))
        self.assertEqual(sorted(self.api.databases), sorted(kept))

    def test_sweep_says_what_it_could_not_destroy(self):
        self.api.databases["albergue-ci-1700000000-1"] = "default"
        self.api.behaviour = {"silent-destroy"}
        result = self.turso("sweep")
        self.assertEqual(result.status, 1, result)
        self.assertIn("0 left-over databases destroyed, 1 could not be", result.errors)

    def test_curl_gets_the_token_neither_as_argument_nor_in_its_environment(self):
        self.api.databases["spring"] = "default"
        seen = self.folder / "seen"
        self.install("curl", f"""#!/bin/sh
{{ printf '%s\\n' "$@"; env; }} >>'{seen}'
exec /usr/bin/curl "$@"
""")
        for name, arguments in (("url", ["spring"]), ("token", ["spring"]), ("destroy", ["spring", "--yes"])):
            self.assert_succeeds(self.turso(
                name, *arguments, TURSO_AUTH_TOKEN=PLATFORM_TOKEN, TURSO_ENCRYPTION_KEY=PLATFORM_TOKEN))
        text = seen.read_text(encoding="utf-8")
        self.assertIn("--config", text)
        self.assertNotIn(PLATFORM_TOKEN, text)

    def test_neither_verbose_nor_dry_runs_nor_summaries_show_a_secret(self):
        self.api.databases["spring"] = "default"
        for option in ("--verbose", "--dry", "--summary", "--status", "--list-all"):
            for name in ("turso:db:url", "turso:db:token", "turso:sync", "turso:test:remote"):
                self.run_program(
                    ROOT / "taskw", option, name, "--", "spring",
                    **self.variables(
                        TURSO_AUTH_TOKEN=PLATFORM_TOKEN, TURSO_ENCRYPTION_KEY=PLATFORM_TOKEN,
                        ALBERGUE_BIN_DIR=str(self.folder)))

    def test_a_curlrc_changes_nothing(self):
        self.api.databases["spring"] = "default"
        (self.folder / "home" / ".curlrc").write_text('verbose\ntrace-ascii = "-"\n', encoding="utf-8")
        self.assertEqual(self.turso("url", "spring").output, "libsql://spring-hostel.turso.example\n")


class ByTheCommandLine(TaskTestCase):
    """A turso command line is on PATH."""

    def setUp(self):
        super().setUp()
        self.install("turso", f"#!/bin/sh\nexec '{python()}' '{HERE / 'standin_turso.py'}' \"$@\"\n")
        self.state = self.folder / "state.json"
        self.set_state({})

    def set_state(self, databases, *behaviour):
        self.state.write_text(
            json.dumps({"databases": databases, "behaviour": behaviour, "calls": []}), encoding="utf-8")

    def read_state(self):
        return json.loads(self.state.read_text(encoding="utf-8"))

    def turso(self, name, *arguments, **more):
        return self.task(
            f"turso:db:{name}", *arguments,
            **{"STANDIN_STATE": str(self.state), "TURSO_DESTROY_CHECKS": "1", **more})

    def test_create_url_token_destroy(self):
        result = self.turso("create", "spring", TURSO_GROUP="europe")
        self.assert_succeeds(result)
        self.assertEqual(result.output, "libsql://spring-hostel.turso.example\n")
        self.assertIn(
            ["db", "create", "spring", "--group", "europe"],
            [call["arguments"] for call in self.read_state()["calls"]])
        self.assertEqual(self.turso("url", "spring").output, "libsql://spring-hostel.turso.example\n")
        self.assertEqual(self.turso("token", "spring").output, CLI_TOKEN + "\n")
        self.assert_succeeds(self.turso("destroy", "spring", "--yes"))
        self.assertEqual(self.read_state()["databases"], {})

    def test_nobody_logged_in_is_77_although_turso_ends_with_0(self):
        self.set_state({"spring": {}}, "not-logged-in")
        for name in ("create", "url", "token", "destroy"):
            with self.subTest(name):
                self.assert_fails(self.turso(name, "spring"), 77, "nobody is logged in")
        self.assert_fails(self.turso("sweep"), 77, "nobody is logged in")
        self.assertEqual(self.read_state()["databases"], {"spring": {}})

    def test_a_name_that_is_taken_is_73(self):
        self.set_state({"spring": {}})
        result = self.turso("create", "spring")
        self.assert_fails(result, 73, "taken")

    def test_what_is_not_there_is_66(self):
        for name in ("url", "token", "destroy"):
            with self.subTest(name):
                self.assert_fails(self.turso(name, "winter"), 66)

    def test_a_destroy_that_did_nothing_is_found_although_turso_ends_with_0(self):
        self.set_state({"spring": {}}, "silent-destroy")
        self.assert_fails(self.turso("destroy", "spring", "--yes"), 1, "still there")

    def test_a_slow_command_line_is_69_in_time(self):
        self.set_state({"spring": {}}, "slow")
        self.assert_fails(self.turso("url", "spring", TURSO_API_TIMEOUT_SECS="1"), 69, "did not end within 1 s")

    def test_the_command_line_gets_the_platform_token_in_its_environment_only(self):
        self.set_state({"spring": {}})
        self.assert_succeeds(self.turso("url", "spring", TURSO_PLATFORM_TOKEN=PLATFORM_TOKEN))
        calls = self.read_state()["calls"]
        self.assertEqual([call["token"] for call in calls], [PLATFORM_TOKEN])
        self.assertFalse(any(PLATFORM_TOKEN in " ".join(call["arguments"]) for call in calls))

    def test_a_token_of_the_command_line_goes_into_a_file_unseen(self):
        self.set_state({"spring": {}})
        self.secrets.add(CLI_TOKEN)
        self.assert_succeeds(self.turso("token", "spring", "token"))
        self.assertEqual((self.folder / "token").read_text(encoding="utf-8"), CLI_TOKEN + "\n")
        self.assert_fails(self.turso("token", "spring", "--expiration", "12h"), 64, "whole days")

    def test_sweep_without_any_database_has_nothing_to_do(self):
        self.assert_succeeds(self.turso("sweep"))
        self.set_state({"albergue-ci-1700000000-1": {}, "spring": {}})
        self.assert_succeeds(self.turso("sweep"))
        self.assertEqual(self.read_state()["databases"], {"spring": {}})

    def test_the_check_says_who_is_logged_in(self):
        result = self.task("turso:check", "--remote", STANDIN_STATE=str(self.state))
        self.assertRegex(result.output, r"logged in +egeria")
        self.set_state({}, "not-logged-in")
        result = self.task("turso:check", "--remote", STANDIN_STATE=str(self.state))
        self.assertEqual(result.status, 77, result)
