// What the programs of bench/ share: timing several sides in turn, and printing their ratios.
#ifndef BENCH_MEASURE_H_
#define BENCH_MEASURE_H_

#include <functional>
#include <string>
#include <vector>

namespace bench {

// The least time of one call of each body, in milliseconds. Bodies take turns, so that a machine
// that slows down does so for all; each runs at least three times and about `seconds` in all.
std::vector<double> LeastMs(const std::vector<std::function<void()>>& bodies, double seconds);

struct Case {
  std::string name;
  double ms = 0;       // ours
  double against = 0;  // the other side's
};

// A table, or with --json one object {"cases": [{"name", "ms", "against", "ratio"}]}; ratio is
// ms / against.
void Print(const std::vector<Case>& cases);

// What a command of the shell prints; a command that fails ends the program.
std::string OutputOf(const std::string& command);

// Parses the flags; says on the first lines of a table what is measured, and on what machine.
void Start(int* argc, char*** argv, const std::string& what);

}  // namespace bench

#endif  // BENCH_MEASURE_H_
