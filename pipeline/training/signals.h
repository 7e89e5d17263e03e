// Signals that ask a run to stop.
#ifndef PIPELINE_TRAINING_SIGNALS_H_
#define PIPELINE_TRAINING_SIGNALS_H_

namespace pipeline {

// SIGINT (Ctrl-C), SIGTERM and SIGHUP end the process at once, with exit code 128 + signal: what a
// run asks for before it trains. A signal that is ignored (nohup) stays so.
void EndOnInterrupt();

// SIGINT (Ctrl-C), SIGTERM and SIGHUP ask a run to stop after the step; a second one ends the
// process, unless it is `patient`: of a process that is asked both by its maker and by who asks
// all.
void InstallInterruptHandler(bool patient = false);
// The signal that asked, or 0.
int InterruptSignal();

}  // namespace pipeline

#endif  // PIPELINE_TRAINING_SIGNALS_H_
