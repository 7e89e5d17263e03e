#!/usr/bin/env python3
"""Opens pages in headless Chromium as desktop, phone and dark, and prints what a visitor would meet.

  tests/browser/drive.py [--pictures DIR] PAGE.html...

A line of JSON for each page and look: "problems" (console messages, exceptions, requests for anything but the
page, what sticks out of the window, charts without their table or without values under the pointer, columns
that do not sort), "dark", "charts", "tip" (what the pointer showed on the first chart). Speaks Chromium's
protocol over a pipe: Python's own library is enough. Exits 77 where there is no Chromium.
"""
import argparse
import base64
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

LOOKS = {
    "desktop": {"width": 1280, "height": 900, "mobile": False, "dark": False},
    "dark": {"width": 1280, "height": 900, "mobile": False, "dark": True},
    "phone": {"width": 390, "height": 844, "mobile": True, "dark": False},
    "phone_dark": {"width": 390, "height": 844, "mobile": True, "dark": True},
}

# What sticks out, but for what scrolls in a box of its own.
MEET = """(() => {
  const problems = [];
  const root = document.documentElement;
  if (root.scrollWidth > innerWidth) problems.push(`the page is ${root.scrollWidth} wide, the window ${innerWidth}`);
  for (const element of document.querySelectorAll('body *')) {
    if (element.closest('.scroll, pre, .numbers, svg, #tip')) continue;
    const box = element.getBoundingClientRect();
    if (box.width > 0 && (box.right > innerWidth + 1 || box.left < -1)) {
      problems.push(`${element.tagName} ${element.className} reaches from ${box.left} to ${box.right}`);
    }
  }
  for (const figure of document.querySelectorAll('figure.chart')) {
    const name = figure.querySelector('figcaption').textContent;
    if (!figure.querySelector('details table tbody tr')) problems.push(`chart ${name} has no table`);
    for (const text of figure.querySelectorAll('svg.plot text')) {
      const box = text.getBoundingClientRect(), frame = figure.getBoundingClientRect();
      if (box.width > 0 && (box.right > frame.right + 3 || box.left < frame.left - 3)) {
        problems.push(`chart ${name}: "${text.textContent}" sticks out`);
      }
    }
  }
  return problems;
})()"""

SORTS = """(() => {
  const problems = [];
  for (const table of document.querySelectorAll('table.sortable')) {
    [...table.querySelectorAll('thead button')].forEach((button, column) => {
      for (const sign of [1, -1]) {
        button.click();
        const cells = [...table.tBodies[0].rows].map((row) => row.children[column].dataset.n).filter((n) => n !== undefined).map(Number);
        for (let i = 1; i < cells.length; ++i) {
          if (sign * (cells[i] - cells[i - 1]) < 0) { problems.push(`column ${button.textContent} is not sorted`); break; }
        }
      }
    });
  }
  return problems;
})()"""

FIRST_CHART = """(() => {
  const svg = document.querySelector('figure.chart svg[data-frame]');
  if (!svg) return null;
  svg.scrollIntoView({block: 'center'});
  const box = svg.getBoundingClientRect();
  return {x: box.left + box.width * 0.6, y: box.top + box.height * 0.5};
})()"""


class Browser:
    def __init__(self, chromium, profile):
        commands, self.out = os.pipe()
        self.messages, answers = os.pipe()

        def pipes():
            # What Chromium reads from and writes to; high numbers first, so that none is overwritten.
            high = [os.dup2(commands, 103), os.dup2(answers, 104)]
            os.dup2(high[0], 3)
            os.dup2(high[1], 4)

        self.process = subprocess.Popen(
            [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-quic",
             "--disable-background-networking", "--disable-component-update", "--disable-sync",
             "--disable-dev-shm-usage", "--remote-debugging-pipe", f"--user-data-dir={profile}", "about:blank"],
            close_fds=False, preexec_fn=pipes, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, env={**os.environ, "HOME": profile})
        os.close(commands)
        os.close(answers)
        self.buffer = b""
        self.last = 0
        self.session = None
        self.events = []

    def _read(self):
        while b"\0" not in self.buffer:
            more = os.read(self.messages, 1 << 16)
            if not more:
                raise RuntimeError("Chromium has ended")
            self.buffer += more
        message, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, **params):
        self.last += 1
        request = {"id": self.last, "method": method, "params": params}
        if self.session:
            request["sessionId"] = self.session
        os.write(self.out, json.dumps(request).encode() + b"\0")
        while True:
            message = self._read()
            if message.get("id") == self.last:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                return message["result"]
            self.events.append(message)

    def wait_for(self, method):
        while not any(event.get("method") == method for event in self.events):
            self.events.append(self._read())

    def value(self, expression):
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in result:
            raise RuntimeError(str(result["exceptionDetails"]))
        return result["result"].get("value")

    def open_tab(self):
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(domain + ".enable")

    def close(self):
        self.session = None
        try:
            self.call("Browser.close")
        except (RuntimeError, OSError):
            pass
        self.process.wait(timeout=30)


def told(event):
    """What an event says against the page, or None."""
    params = event.get("params", {})
    if event.get("method") == "Runtime.consoleAPICalled":
        return "console: " + " ".join(str(a.get("value", a.get("description"))) for a in params["args"])
    if event.get("method") == "Runtime.exceptionThrown":
        return "exception: " + json.dumps(params["exceptionDetails"])
    if event.get("method") == "Log.entryAdded":
        return "log: " + params["entry"]["text"]
    if event.get("method") == "Network.requestWillBeSent":
        url = params["request"]["url"]
        if not url.startswith(("file:", "data:", "about:")):
            return "request: " + url
    return None


def meet(browser, page, look, pictures):
    options = LOOKS[look]
    browser.call("Emulation.setDeviceMetricsOverride", width=options["width"], height=options["height"],
                 deviceScaleFactor=1, mobile=options["mobile"])
    browser.call("Emulation.setEmulatedMedia",
                 features=[{"name": "prefers-color-scheme", "value": "dark" if options["dark"] else "light"}])
    browser.events.clear()
    browser.call("Page.navigate", url=pathlib.Path(page).absolute().as_uri())
    browser.wait_for("Page.loadEventFired")
    problems = browser.value(MEET)
    color = browser.value("getComputedStyle(document.body).backgroundColor")
    if pictures:
        height = browser.value("document.documentElement.scrollHeight")
        clip = {"x": 0, "y": 0, "width": options["width"], "height": min(height, 12000), "scale": 1}
        shot = browser.call("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)
        name = f"{pathlib.Path(page).stem}_{look}.png"
        pathlib.Path(pictures, name).write_bytes(base64.b64decode(shot["data"]))
    at = browser.value(FIRST_CHART)
    tip = ""
    if at:
        browser.call("Input.dispatchMouseEvent", type="mouseMoved", **at)
        tip = browser.value("document.getElementById('tip').hidden ? '' : document.getElementById('tip').textContent")
        if not tip:
            problems.append("the pointer shows no values on the first chart")
        if pictures:
            shot = browser.call("Page.captureScreenshot")
            name = f"{pathlib.Path(page).stem}_{look}_tip.png"
            pathlib.Path(pictures, name).write_bytes(base64.b64decode(shot["data"]))
    problems += browser.value(SORTS)
    problems += [text for text in map(told, browser.events) if text]
    return {
        "page": str(page),
        "look": look,
        "title": browser.value("document.title"),
        "problems": problems,
        "dark": sum(map(int, color[color.index("(") + 1:-1].split(",")[:3])) < 200,
        "charts": browser.value("document.querySelectorAll('figure.chart').length"),
        "tip": tip,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", help="a folder for a picture of each page and look")
    parser.add_argument("pages", nargs="+")
    arguments = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        print("no Chromium here (Debian's package chromium)", file=sys.stderr)
        return 77
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = Browser(chromium, profile)
        try:
            browser.open_tab()
            for page in arguments.pages:
                for look in LOOKS:
                    print(json.dumps(meet(browser, page, look, arguments.pictures)), flush=True)
        finally:
            browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
