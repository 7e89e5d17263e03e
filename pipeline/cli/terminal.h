// What a run prints: a header, one live line an epoch, a result table.
#ifndef PIPELINE_CLI_TERMINAL_H_
#define PIPELINE_CLI_TERMINAL_H_

#include <string>
#include <utility>
#include <vector>

namespace pipeline {

class Terminal {
 public:
  // Live lines and colors only where standard output is a terminal; no colors where NO_COLOR is
  // set. `silent`: prints nothing.
  explicit Terminal(bool silent = false);
  Terminal(const Terminal&) = delete;
  ~Terminal();  // nothing stays of a live line

  // A whole line; ends the live line first. Here and below, what would control the terminal or is
  // not UTF-8 is shown by its bytes.
  void Line(const std::string& text);
  // A whole line of parts, each in its tone.
  enum class Tone { kPlain, kGood, kFair, kPoor };
  void Line(const std::vector<std::pair<std::string, Tone>>& parts);
  // Aligned "name  value" rows.
  void Table(const std::vector<std::pair<std::string, std::string>>& rows);
  // Replaces the live line, at most ten times a second; cut to width().
  void Live(const std::string& text);
  bool live() const { return live_; }
  // Characters that a live line may have.
  size_t width() const;
  // Whether Live would draw now.
  bool Due() const;

 private:
  void ClearLive();

  const bool silent_, live_, colored_;
  bool drawn_ = false;
  double last_ = 0;
};

// "1:02:03", or "2:03" below an hour.
std::string Duration(double seconds);
// "[=====>    ]".
std::string Bar(int64_t done, int64_t total);
}  // namespace pipeline

#endif  // PIPELINE_CLI_TERMINAL_H_
