// What a user should know of a dataset's files once they are split.
#ifndef DATASETS_FOLDERS_FILE_NOTES_H_
#define DATASETS_FOLDERS_FILE_NOTES_H_

#include <vector>

#include "datasets/folders/files_dataset.h"
#include "datasets/split/duplicates.h"
#include "datasets/split/split.h"

namespace datasets {

// Each adds to info->notes.

// Counts copies in info->duplicates; says what they mean for the result.
void NoteCopies(const Copies& copies, const DuplicateReport& report, bool drop_copies,
                pipeline::DataInfo* info);

// Images of 16 bits a sample that use a small part of them are read as nearly black ones.
void NoteDeepImages(const Copies& copies, pipeline::DataInfo* info);

// A source's own split may part what belongs together. `phases` are those of the files. Where
// groups are told by file names, one that gives TRAIN and TEST files of one name is none: the
// source begins to count anew in each of its folders.
void NotePartedGroups(const std::vector<ImageFile>& files, const Phases& phases, bool by_names,
                      pipeline::DataInfo* info);

// A class that TRAIN lacks cannot be learned.
void NoteMissingClasses(pipeline::DataInfo* info);

}  // namespace datasets

#endif  // DATASETS_FOLDERS_FILE_NOTES_H_
