// Printing to standard output.
#include "pipeline/cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "absl/strings/str_format.h"
#include "pipeline/clock.h"
#include "pipeline/utf8.h"

namespace pipeline {
namespace {

constexpr double kRedrawSeconds = 0.1;
constexpr int kBarWidth = 20;

const char* CodeOf(Terminal::Tone tone) {
  return tone == Terminal::Tone::kGood   ? "\033[32m"
         : tone == Terminal::Tone::kFair ? "\033[33m"
                                         : "\033[31m";
}

}  // namespace

Terminal::Terminal(bool silent)
    : silent_(silent),
      live_(!silent && isatty(STDOUT_FILENO) != 0),
      colored_(live_ && std::getenv("NO_COLOR") == nullptr) {}

Terminal::~Terminal() {
  ClearLive();
  std::fflush(stdout);
}

void Terminal::ClearLive() {
  if (drawn_) std::fputs("\r\033[K", stdout);
  drawn_ = false;
}

size_t Terminal::width() const {
  winsize size = {};
  const bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  // In the last column some terminals wrap.
  return (known ? size.ws_col : 80) - 1;
}

void Terminal::Line(const std::string& text) { Line({{text, Tone::kPlain}}); }

void Terminal::Line(const std::vector<std::pair<std::string, Tone>>& parts) {
  if (silent_) return;
  ClearLive();
  for (const auto& [text, tone] : parts) {
    const bool colored = colored_ && tone != Tone::kPlain;
    if (colored) std::fputs(CodeOf(tone), stdout);
    std::fputs(Printable(text).c_str(), stdout);
    if (colored) std::fputs("\033[0m", stdout);
  }
  std::fputs("\n", stdout);
  std::fflush(stdout);
}

void Terminal::Table(const std::vector<std::pair<std::string, std::string>>& rows) {
  size_t width = 0;
  for (const auto& [name, value] : rows) width = std::max(width, name.size());
  for (const auto& [name, value] : rows) {
    Line(absl::StrFormat("  %-*s  %s", static_cast<int>(width), name, value));
  }
}

bool Terminal::Due() const { return live_ && Now() - last_ >= kRedrawSeconds; }

void Terminal::Live(const std::string& text) {
  if (!Due()) return;
  last_ = Now();
  std::printf("\r\033[K%s", FirstCharacters(Printable(text), width()).c_str());
  std::fflush(stdout);
  drawn_ = true;
}

std::string Duration(double seconds) {
  const auto whole = static_cast<int64_t>(std::llround(std::max(0.0, seconds)));
  if (whole < 3600) return absl::StrFormat("%d:%02d", whole / 60, whole % 60);
  return absl::StrFormat("%d:%02d:%02d", whole / 3600, whole / 60 % 60, whole % 60);
}

std::string Bar(int64_t done, int64_t total) {
  const int filled = static_cast<int>(kBarWidth * done / std::max<int64_t>(1, total));
  std::string bar(filled, '=');
  if (filled < kBarWidth) bar += ">";
  bar.resize(kBarWidth, ' ');
  return "[" + bar + "]";
}

}  // namespace pipeline
