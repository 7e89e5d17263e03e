// Time, as runs measure it.
#ifndef PIPELINE_CLOCK_H_
#define PIPELINE_CLOCK_H_

namespace pipeline {

// Seconds since some fixed moment.
double Now();

// Seconds since this process was started, its loading included; from /proc, to 0.01 s.
double ProcessAge();

}  // namespace pipeline

#endif  // PIPELINE_CLOCK_H_
