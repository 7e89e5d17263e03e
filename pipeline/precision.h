// In which precision the model computes.
#ifndef PIPELINE_PRECISION_H_
#define PIPELINE_PRECISION_H_

#include <string>

#include "pipeline/pipeline.pb.h"

namespace pipeline {

// Whether the model computes in float32, bfloat16 or float16 (never Train::AUTO).
using Precision = Train::Precision;

// While it lives, convolutions and matrix products compute in `precision` (autocast).
class PrecisionScope {
 public:
  PrecisionScope(Precision precision, const std::string& device);
  PrecisionScope(const PrecisionScope&) = delete;
  ~PrecisionScope();

 private:
  const bool active_;
  const bool cuda_;
};

}  // namespace pipeline

#endif  // PIPELINE_PRECISION_H_
