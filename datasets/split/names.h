// How messages name many things without growing with them.
#ifndef DATASETS_SPLIT_NAMES_H_
#define DATASETS_SPLIT_NAMES_H_

#include <string>
#include <vector>

namespace datasets {

// "a, b, and 5 more": at most the first ten.
std::string FirstNames(const std::vector<std::string>& names);

// Adds "3 images WHAT: a, b, c" to the notes, unless there are no names; `noun` is one of them.
void NoteMany(const std::string& noun, const std::string& what,
              const std::vector<std::string>& names, std::vector<std::string>* notes);

}  // namespace datasets

#endif  // DATASETS_SPLIT_NAMES_H_
