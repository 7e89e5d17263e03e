// How much memory there is, so that what can never fit is refused before the system ends the
// program.
#ifndef PIPELINE_MEMORY_H_
#define PIPELINE_MEMORY_H_

#include <string>

namespace pipeline {

// Bytes that this process could have: the machine's memory, or less where a container or `ulimit
// -v` allows less.
double MemoryOfMachine();

// "1.5 GB", "20 MB".
std::string BytesText(double bytes);

}  // namespace pipeline

#endif  // PIPELINE_MEMORY_H_
