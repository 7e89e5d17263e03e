// Which patients train, and which are held out.
#ifndef DATASETS_PATIENT_SPLIT_H_
#define DATASETS_PATIENT_SPLIT_H_

#include <optional>
#include <string>
#include <vector>

#include "datasets/dataset.h"

namespace datasets {

struct SplitCase {
  std::string patient;
  std::optional<pipeline::Phase> phase;  // the source's own word
};

// The phase of each case; cases of one patient have one phase. A patient whom the source puts into
// several splits goes to TEST, else VAL. Where the source has no TEST split, it takes
// context.test_fraction of the patients in no split; where it has no VAL split, that takes
// context.validation_fraction of those who would train. By seed; at least one where the fraction is
// above 0 and another one is left.
std::vector<pipeline::Phase> SplitByPatient(const std::vector<SplitCase>& cases,
                                            const DatasetContext& context);

}  // namespace datasets

#endif  // DATASETS_PATIENT_SPLIT_H_
