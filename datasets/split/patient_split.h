// Who the patients are, which of them train, and which are held out.
#ifndef DATASETS_SPLIT_PATIENT_SPLIT_H_
#define DATASETS_SPLIT_PATIENT_SPLIT_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "datasets/dataset.h"

namespace datasets {

// The patient of each case, told from the case's folders as seen from the root; "." is the root
// itself, whose folder's name is `root`. It is the topmost folder that has a digit in its name, of
// those below train, val or test (PhaseNamed) where a case is below one of these. Passed are
// - visits: ses-01, session2, visit_1, tp1, timepoint-2, in any case;
// - folders that all cases (of one split's folder) are below, unless no other has a digit.
// Where no folder has a digit, it is the lowest that is neither a visit nor one of BIDS's kinds of
// images (anat, dwi, func, perf, fmap), or else the root.
// Of the folder's name, what begins with a visit is cut off ("sub-01_ses-02" -> "sub-01"), and so
// is the number of the scan in the names of BraTS ("brats_tcia_pat105_0002" ->
// "brats_tcia_pat105", "BraTS-GLI-00005-101" -> "BraTS-GLI-00005").
std::vector<std::string> PatientsByFolder(const std::vector<std::string>& cases,
                                          const std::string& root);

// The patient of each case: what the only group of a regular expression (of RE2) finds in its name,
// in time that grows with the name's length. Errors ("PATTERN: why"): the pattern is none; a case
// where it finds nothing.
absl::StatusOr<std::vector<std::string>> PatientsByPattern(const std::vector<std::string>& cases,
                                                           const std::string& pattern);

struct SplitCase {
  std::string patient;
  std::optional<pipeline::Phase> phase;  // the source's own word
};

struct PatientSplit {
  std::vector<pipeline::Phase> phases;  // of each case
  // What came from where: "by patient, seed 0", or as SplitBySeed says it of folders.
  std::string origin;
  std::string note;  // for DataInfo; "" = nothing
};

// Cases of one patient have one phase. A patient whom the source puts into several splits goes to
// TEST, else VAL. Where the source has a VAL split but no TEST, its VAL is TEST. One split that
// holds all cases is none, and neither are VAL and TEST without a case that trains. Where the
// source has no TEST split, it takes context.test_fraction of the patients in no split; where it
// has no VAL split, that takes context.validation_fraction of those who would train. By seed; at
// least one where the fraction is above 0 and another one is left. With context.folds the source's
// word does not count: the patients of context.fold are TEST.
PatientSplit SplitByPatient(std::vector<SplitCase> cases, const DatasetContext& context);

}  // namespace datasets

#endif  // DATASETS_SPLIT_PATIENT_SPLIT_H_
