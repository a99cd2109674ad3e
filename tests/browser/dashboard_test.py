"""The dashboard in a real browser: what is stored is what is shown, and nothing leaves this machine.

Needs Debian's chromium, chromium-driver and python3-selenium; without them it says so and is skipped (exit 77).
With TERN_SCREENSHOTS=DIR it keeps pictures of every page, light and dark."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../cli"))

from run_tern import command, tern  # noqa: E402
import sample_records  # noqa: E402

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
try:
    from selenium import webdriver
    from selenium.common.exceptions import StaleElementReferenceException
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
except ImportError:
    webdriver = None

ARGUMENTS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
             "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run",
             "--disable-default-apps", "--disable-extensions", "--window-size=1280,1000"]
WHY_NOT = "powercap: no such folder <b id=injected>/sys</b>"
ENERGY_ID, NO_ENERGY_ID, EVAL_ID, ONE_PAIR_ID, METERED_ID = (f"0199aaaa-0000-7000-8000-{n:012d}" for n in range(1, 6))


def why_not_here():
    missing = [name for name, found in (("chromium", BROWSER), ("chromium-driver", DRIVER),
                                        ("python3-selenium", webdriver)) if not found]
    return f"skipped: not installed: {', '.join(missing)} (./check installs them)" if missing else ""


class Dashboard(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="tern-browser-")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = folder.name
        cls.db = os.path.join(cls.folder, "t.db")
        bench = tern("bench", "-m", "synth:tiny", "-p", "16", "-n", "4", "-r", "3", "--db", cls.db)
        assert bench.returncode == 0, bench.stderr
        path = sample_records.write(os.path.join(cls.folder, "records.jsonl"), [
            sample_records.bench_record(1),
            sample_records.bench_record(2, 3, lambda joules: sample_records.no_energy(WHY_NOT), "failed",
                                        ["interrupted by SIGINT"]),
            sample_records.eval_record(3),
            sample_records.bench_record(4, 1, lambda joules: sample_records.no_energy(WHY_NOT)),
            sample_records.metered_record(5),
        ])
        imported = tern("store", "import", path, "--db", cls.db)
        assert imported.returncode == 0, imported.stderr
        cls.url = cls.serve(cls.db)
        cls.browser = cls.start_browser()

    @classmethod
    def serve(cls, db, *options, env=None):
        process = subprocess.Popen(command("TERN_BINARY", "serve", "--port", "0", *(["--db", db] if db else []), *options),
                                   stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                                   env={**os.environ, **(env or {})})
        cls.addClassCleanup(process.stdout.close)
        cls.addClassCleanup(process.wait)
        cls.addClassCleanup(process.terminate)
        return process.stdout.readline().strip()

    @classmethod
    def start_browser(cls):
        options = webdriver.ChromeOptions()
        options.binary_location = BROWSER
        profile = tempfile.mkdtemp(prefix="profile-", dir=cls.folder)
        for argument in [*ARGUMENTS, f"--user-data-dir={profile}"]:
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        browser = webdriver.Chrome(options=options, service=Service(DRIVER))
        cls.addClassCleanup(browser.quit)
        return browser

    def setUp(self):
        self.servers = [self.url]
        self.browser.get("about:blank")
        self.browser.get_log("browser")
        self.browser.get_log("performance")

    def tearDown(self):
        """No test passes with an error on the console, a broken policy or a foreign request."""
        console = [entry for entry in self.browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]
        self.assertEqual(console, [])
        requests = []
        for entry in self.browser.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                requests.append(message["params"]["request"]["url"])
        self.assertTrue(any(url.startswith(self.servers[-1]) for url in requests), requests)
        foreign = [url for url in requests if not url.startswith((*self.servers, "about:", "data:"))]
        self.assertEqual(foreign, [])

    def scheme(self, name):
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia",
                                     {"features": [{"name": "prefers-color-scheme", "value": name}]})

    def open(self, page="", url=None):
        self.browser.get("about:blank")
        self.browser.get((url or self.url) + page)
        self.wait_for("h1")

    def wait_for(self, selector, text=""):
        end = time.monotonic() + 30
        while time.monotonic() < end:
            found = self.browser.find_elements(By.CSS_SELECTOR, selector)
            try:
                if found and text in found[0].text:
                    return found[0]
            except StaleElementReferenceException:
                pass  # the page replaced it between the two calls
            time.sleep(0.05)
        self.fail(f"{selector} with '{text}' did not appear; the page says: {self.page_text()}")

    def page_text(self):
        return self.browser.find_element(By.CSS_SELECTOR, "body").text

    def table(self, caption):
        """The cells of the table of that caption, shown or folded away."""
        return self.browser.execute_script(
            "const t = [...document.querySelectorAll('table')].find(t => t.caption.textContent === arguments[0]);"
            "return t && [...t.tBodies[0].rows].map(r => [...r.cells].map(c => c.textContent));", caption)

    def api(self, path):
        with urllib.request.urlopen(self.url + path, timeout=30) as response:
            return json.load(response)

    def keep_picture(self, name):
        folder = os.environ.get("TERN_SCREENSHOTS")
        if not folder:
            return
        height = self.browser.execute_script("return document.documentElement.scrollHeight")
        self.browser.set_window_size(1280, min(height + 160, 6000))
        time.sleep(0.3)
        self.browser.save_screenshot(os.path.join(folder, name + ".png"))
        self.browser.set_window_size(1280, 1000)

    def background(self):
        return self.browser.execute_script("return getComputedStyle(document.body).backgroundColor")

    def test_the_list_shows_every_run(self):
        self.open()
        rows = self.table("Stored runs")
        runs = self.api("api/runs")["runs"]
        self.assertEqual(len(rows), 6)
        self.assertEqual([row[5] for row in rows], [str(run["trials"]) for run in runs])
        self.assertEqual([row[2] for row in rows], [run["models"] for run in runs])
        measured = next(row for row, run in zip(rows, runs) if run["id"] == ENERGY_ID)
        ratio = next(run for run in runs if run["id"] == ENERGY_ID)["ratios"][1]["tokens_per_s"]
        self.assertEqual(measured[0], "2026-01-02 12:34:56")
        self.assertIn(f"{ratio['value']:.3f}× tg128, {ratio['low']:.3f} to {ratio['high']:.3f}", measured[4])
        self.assertIn("failed", self.page_text())

    def test_a_link_leads_to_a_run_and_back(self):
        self.open()
        self.browser.find_element(By.CSS_SELECTOR, f"a[href='#/run/{ENERGY_ID}']").send_keys(Keys.ENTER)
        self.wait_for(".figure")
        self.assertEqual(self.browser.current_url, f"{self.url}#/run/{ENERGY_ID}")
        self.assertEqual(self.browser.switch_to.active_element.tag_name, "h1")
        self.browser.back()
        self.wait_for("h1", "Runs")

    def test_a_run_with_energy(self):
        self.open(f"#/run/{ENERGY_ID}")
        run = self.api(f"api/runs/{ENERGY_ID}")
        comparison = run["tests"][1]["comparison"]
        cards = [card.text for card in self.browser.find_elements(By.CSS_SELECTOR, ".card")]
        self.assertIn(f"{comparison['tokens_per_s']['value']:.3f}×", cards[1])
        self.assertIn("10 pairs", cards[1])
        self.assertIn(f"saves {comparison['energy_saved'] * 100:.1f} %", cards[1])
        trials = self.table("Trials of tg128 in the order they ran")
        self.assertEqual(len(trials), 20)
        stored = [trial for trial in run["trials"] if trial["test"] == "tg128"]
        self.assertEqual([row[3] for row in trials], [f"{trial['tokens_per_s']:.2f}" for trial in stored])
        self.assertEqual([row[2] for row in trials][:4], ["ternary", "baseline", "baseline", "ternary"])
        energy = self.table("Energy of each subject in each test")
        self.assertEqual([row[1] for row in energy], ["prefill", "prefill", "decode", "decode"])
        self.assertEqual(float(energy[3][3]), float(f"{run['tests'][1]['rows'][1]['energy']['j_per_token']:.4g}"))
        self.assertIn("measured by powercap (1 of 1 packages)", energy[3][9])
        speeds = self.table("Speed of each subject in each test")
        self.assertEqual({row[6] for row in speeds}, {"00c0ffee00c0ffee", "5ca1ab1e5ca1ab1e"})
        self.assertIn(["governor", "performance", "performance"],
                      self.table("The environment before and after the run"))
        # What this record lacks is the uncertainty of its meter, and nothing else.
        self.assertEqual({(row[4], row[5]) for row in energy}, {("not measured", "not measured")})
        self.assertIn("The uncertainty of the meter is not recorded", self.page_text())
        self.assertNotIn("Energy not measured", self.page_text())

    def test_a_metered_run_says_how_sure_it_is(self):
        self.open(f"#/run/{METERED_ID}")
        run = self.api(f"api/runs/{METERED_ID}")
        rows = [row for test in run["tests"] for row in test["rows"]]
        for cells, row in zip(self.table("Energy of each subject in each test"), rows):
            energy = row["energy"]
            shown = [energy["j_per_token"], energy["u_abs"], energy["u_cmp"], energy["w"]]
            for text, value in zip(cells[3:7], shown):
                self.assertAlmostEqual(float(text), value, delta=0.06 * value)
            self.assertEqual(cells[9], "measured by powercap (1 of 1 packages + dram)")
        for cells, row in zip(self.table("Dynamic energy of each subject in each test"), rows):
            self.assertAlmostEqual(float(cells[3]), row["energy"]["dynamic"]["idle_w"], places=2)
            self.assertAlmostEqual(float(cells[4]), row["energy"]["dynamic"]["j_per_token"], places=3)
        self.assertEqual(self.table("Domains of the meter")[2],
                         ["psys", "no", "the platform holds the package already"])
        prefill, decode = (card.text for card in self.browser.find_elements(By.CSS_SELECTOR, ".card"))
        self.assertIn("saving 66.7 % = 1 − (W ratio) / (t/s ratio) = 1 − 1.001 / 3.004", prefill)
        self.assertIn("The energy saved is only the speed-up, as far as these pairs show", prefill)
        self.assertIn("Beside the time the power is lower", decode)
        self.assertIn("Meter, u cmp. ", decode)
        text = self.page_text()
        self.assertIn("Assumed, not calibrated: 3 % gain (Intel server package); 10 % gain (memory).", text)
        self.assertIn("mean of 10 windows", text)
        self.assertIn("drift from before to after +0.60 W", text)

    def test_the_chart_is_drawn_and_has_its_table(self):
        self.open(f"#/run/{ENERGY_ID}")
        painted = self.browser.execute_script(
            "return [...document.querySelectorAll('canvas')].map(c => {"
            "  const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
            "  let n = 0; for (let i = 3; i < d.length; i += 4) n += d[i] > 0; return n; });")
        self.assertEqual(len(painted), 2)
        self.assertGreater(min(painted), 1000)
        summary = self.browser.find_element(By.CSS_SELECTOR, "figure summary")
        self.assertEqual(summary.text, "Table of 20 trials")
        summary.send_keys(Keys.ENTER)
        self.assertTrue(self.browser.find_element(By.CSS_SELECTOR, "figure table").is_displayed())

    def test_a_run_without_energy_says_why(self):
        self.open(f"#/run/{NO_ENERGY_ID}")
        text = self.page_text()
        self.assertIn(f"Energy not measured. {WHY_NOT}", text)
        self.assertIn("interrupted by SIGINT", text)
        trials = self.table("Trials of pp512 in the order they ran")
        self.assertEqual({(row[6], row[7]) for row in trials}, {("not measured", "not measured")})
        # What a record says is text, whatever it looks like.
        self.assertEqual(self.browser.find_elements(By.ID, "injected"), [])

    def test_one_pair_has_no_interval(self):
        self.open(f"#/run/{ONE_PAIR_ID}")
        self.assertIn("one pair gives no interval", self.browser.find_element(By.CSS_SELECTOR, ".card").text)

    def test_scores(self):
        self.open(f"#/run/{EVAL_ID}")
        scores = self.table("Scores of each task")
        self.assertEqual(scores[0], ["piqa", "ternary", "none", "acc", "0.7500 ± 0.2500", "4 of 4", "2.00", "50.00"])

    def test_a_run_measured_here(self):
        run = next(run for run in self.api("api/runs")["runs"] if run["models"] == "synth:tiny")
        self.open(f"#/run/{run['id']}")
        self.assertIn("debug or sanitizer build", self.page_text())
        self.assertEqual(len(self.table("Trials of pp16 in the order they ran")), 6)

    def test_light_and_dark(self):
        pages = {"runs": "", "energy": f"#/run/{ENERGY_ID}", "no-energy": f"#/run/{NO_ENERGY_ID}",
                 "scores": f"#/run/{EVAL_ID}", "metered": f"#/run/{METERED_ID}"}
        grounds = {}
        for scheme in ("light", "dark"):
            self.scheme(scheme)
            for name, page in pages.items():
                self.open(page)
                self.keep_picture(f"{name}-{scheme}")
            grounds[scheme] = self.background()
        self.assertNotEqual(grounds["light"], grounds["dark"])
        # The reader's choice beats the system's, and stays.
        button = self.browser.find_element(By.ID, "theme")
        self.assertEqual(button.text, "Theme: auto")
        button.click()
        self.assertEqual(self.background(), grounds["light"])
        self.open()
        self.assertEqual(self.browser.find_element(By.ID, "theme").text, "Theme: light")
        self.assertEqual(self.background(), grounds["light"])
        self.browser.execute_script("localStorage.clear()")
        self.scheme("light")

    def test_text_is_readable_in_both_schemes(self):
        """WCAG AA: 4.5 to 1 for every text against the ground behind it."""
        script = """
          const luminance = (rgb) => { const [r, g, b] = rgb.map((v) => { v /= 255;
            return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
            return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
          const parse = (text) => text.match(/[\\d.]+/g).map(Number);
          const ground = (e) => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor);
            if (c.length < 4 || c[3] === 1) return c.slice(0, 3); } return [255, 255, 255]; };
          const bad = [];
          for (const e of document.querySelectorAll('body *')) {
            if (![...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim())) continue;
            const a = luminance(parse(getComputedStyle(e).color).slice(0, 3)), b = luminance(ground(e));
            const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
            if (contrast < 4.5) bad.push(`${e.tagName} "${e.textContent.slice(0, 30)}" ${contrast.toFixed(2)}`);
          }
          return bad;"""
        for scheme in ("light", "dark"):
            self.scheme(scheme)
            for page in ("", f"#/run/{ENERGY_ID}", f"#/run/{NO_ENERGY_ID}", f"#/run/{METERED_ID}"):
                with self.subTest(scheme=scheme, page=page):
                    self.open(page)
                    self.assertEqual(self.browser.execute_script(script), [])
        self.scheme("light")

    def test_an_unknown_page_says_so(self):
        self.open("#/nowhere")
        self.assertIn("there is no page at #/nowhere", self.page_text())

    def test_an_empty_store(self):
        self.servers.append(self.serve(None, env={"XDG_DATA_HOME": os.path.join(self.folder, "nothing")}))
        self.open(url=self.servers[-1])
        self.assertIn("tern bench --quick", self.page_text())
        self.keep_picture("empty")

    def test_a_run_against_several_baselines(self):
        db = os.path.join(self.folder, "several.db")
        bench = tern("bench", "-m", "synth:tiny", "-p", "16", "-n", "4", "-r", "3", "--db", db,
                     "--baseline", "f16,bf16,q8_0,q4_0")
        self.assertEqual(bench.returncode, 0, bench.stderr)
        self.servers.append(self.serve(db))
        others = ["baseline", "baseline:bf16", "baseline:q8_0", "baseline:q4_0"]
        self.open(url=self.servers[-1])
        (row,) = self.table("Stored runs")
        for other in others:
            self.assertIn(f"tg4 over {other},", row[4])
        self.browser.find_element(By.CSS_SELECTOR, "a[href^='#/run/']").send_keys(Keys.ENTER)
        self.wait_for(".figure")
        titles = [title.text for title in self.browser.find_elements(By.CSS_SELECTOR, ".card h3")]
        self.assertEqual(titles, [f"{test}, ternary / {other}" for test in ("pp16", "tg4") for other in others])
        self.assertEqual([cells[1] for cells in self.table("Speed of each subject in each test")],
                         ["ternary", *others] * 2)
        self.keep_picture("several-baselines")

    def test_a_command_that_was_measured(self):
        db = os.path.join(self.folder, "measure.db")
        measured = tern("measure", "-r", "2", "--db", db, "-o", "json", "--report", "-", "--", "sleep", "0.01")
        self.assertEqual(measured.returncode, 0, measured.stderr)
        record = json.loads(measured.stdout)
        self.servers.append(self.serve(db))
        self.open(f"#/run/{record['id']}", url=self.servers[-1])
        rows = self.table("Repetitions of the command in the order they ran")
        self.assertEqual([(row[0], row[1], row[9]) for row in rows], [("0", "sleep 0.01", "0"), ("1", "sleep 0.01", "0")])
        self.assertAlmostEqual(float(rows[0][2]), record["trials"][0]["elapsed_ns"] / 1e9, places=3)
        figures = self.table("What the command took")
        self.assertEqual((figures[0][0], figures[0][4]), ("wall time, s", "2"))
        self.assertIn(" to ", figures[0][3])
        self.assertEqual(self.browser.find_element(By.CSS_SELECTOR, "h1").text, "sleep 0.01")
        energy = record["trials"][0]["energy"]
        if energy["status"] == "not_measured":
            self.assertEqual(self.page_text().count(energy["why"]), 1)
        self.keep_picture("command")
        self.assertNotIn("t/s, mean", self.page_text())
        self.assertNotIn("NaN", self.page_text())

    def test_one_run_and_many(self):
        for count in (1, 150):
            db = os.path.join(self.folder, f"{count}.db")
            records = [sample_records.bench_record(n, 2) for n in range(count)]
            path = sample_records.write(os.path.join(self.folder, f"{count}.jsonl"), records)
            self.assertEqual(tern("store", "import", path, "--db", db).returncode, 0)
            self.servers.append(self.serve(db))
            self.open(url=self.servers[-1])
            self.assertEqual(len(self.table("Stored runs")), min(count, 100))
            self.assertIn("1 run, newest first" if count == 1 else "runs 1 to 100 of 150", self.page_text())
        self.browser.find_element(By.LINK_TEXT, "Older runs").click()
        self.wait_for(".lead", "runs 101 to 150 of 150")
        self.assertEqual(len(self.table("Stored runs")), 50)
        self.assertTrue(self.browser.current_url.endswith("#/runs/100"))


if __name__ == "__main__":
    if why_not_here():
        print(why_not_here())
        sys.exit(77)
    unittest.main()
