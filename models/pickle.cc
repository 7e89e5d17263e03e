// The opcodes of protocol 2 (Python's pickletools.py describes each).
#include "models/pickle.h"

#include <cstring>
#include <map>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace models {
namespace {

using Value = Pickle::Value;

constexpr size_t kMostValues = size_t{1} << 20;
constexpr size_t kMostArguments = 8;  // of what a state dict calls
constexpr size_t kLongestName = 80;   // of a global that a message shows

constexpr char kOrderedDict[] = "collections OrderedDict";

bool RebuildsTensor(const std::string& global) {
  return global == "torch._utils _rebuild_tensor_v2" || global == "torch._utils _rebuild_tensor";
}

bool RebuildsParameter(const std::string& global) {
  return global == "torch._utils _rebuild_parameter" || global == "torch.nn.parameter Parameter";
}

class Machine {
 public:
  Machine(absl::string_view bytes, size_t* position, Pickle* pickle)
      : bytes_(bytes), position_(*position), values_(pickle->values) {}

  absl::StatusOr<size_t> Run() {
    while (why_.empty()) {
      const int code = Number<uint8_t>();
      if (!why_.empty()) break;
      if (code == '.') {
        if (stack_.size() == 1 && marks_.empty()) return stack_[0];
        Fail("its pickle leaves other than one value");
        break;
      }
      Do(code);
      if (values_.size() > kMostValues) Fail("its pickle has more than a million values");
    }
    return absl::InvalidArgumentError(why_);
  }

 private:
  void Fail(const std::string& why) {
    if (why_.empty()) why_ = why;
  }

  // ---- What follows an opcode ----

  absl::string_view Bytes(uint64_t count) {
    if (count > bytes_.size() - position_) {
      Fail("its pickle is cut off");
      return {};
    }
    const absl::string_view part = bytes_.substr(position_, count);
    position_ += count;
    return part;
  }

  // Little endian.
  template <class T>
  T Number() {
    const absl::string_view part = Bytes(sizeof(T));
    T number = 0;
    if (part.size() == sizeof(T)) std::memcpy(&number, part.data(), sizeof(T));
    return number;
  }

  absl::string_view Line() {
    const size_t end = bytes_.find('\n', position_);
    if (end == absl::string_view::npos) {
      Fail("its pickle is cut off");
      return {};
    }
    const absl::string_view line = Bytes(end - position_);
    ++position_;
    return line;
  }

  int64_t Long() {
    const absl::string_view part = Bytes(Number<uint8_t>());
    if (part.size() > sizeof(int64_t)) Fail("its pickle has a number of more than 64 bits");
    if (part.empty() || !why_.empty()) return 0;
    int64_t number = part.back() < 0 ? -1 : 0;
    std::memcpy(&number, part.data(), part.size());
    return number;
  }

  // ---- The stack ----

  void Push(Value value) {
    stack_.push_back(values_.size());
    values_.push_back(std::move(value));
  }

  // Place 0 where the stack has no more than the last mark's.
  size_t Pop() {
    if (stack_.size() <= (marks_.empty() ? 0 : marks_.back())) {
      Fail("its pickle takes more than it has");
      return 0;
    }
    const size_t top = stack_.back();
    stack_.pop_back();
    return top;
  }

  std::vector<size_t> PopToMark() {
    if (marks_.empty()) {
      Fail("its pickle has no mark where one belongs");
      return {};
    }
    std::vector<size_t> items(stack_.begin() + static_cast<int64_t>(marks_.back()), stack_.end());
    stack_.resize(marks_.back());
    marks_.pop_back();
    return items;
  }

  // The value on top, to which items are added.
  void Extend(Pickle::Kind kind, const std::vector<size_t>& items) {
    const bool whole = kind != Pickle::kDict || items.size() % 2 == 0;
    if (stack_.size() <= (marks_.empty() ? 0 : marks_.back()) ||
        values_[stack_.back()].kind != kind || !whole) {
      return Fail("its pickle adds items to what takes none");
    }
    std::vector<size_t>& all = values_[stack_.back()].items;
    all.insert(all.end(), items.begin(), items.end());
  }

  void PushTuple(size_t count) {
    Value tuple = {Pickle::kList};
    tuple.items.resize(count);
    for (size_t i = count; i-- > 0;) tuple.items[i] = Pop();
    Push(std::move(tuple));
  }

  void Get(uint32_t key) {
    const auto found = memo_.find(key);
    if (found == memo_.end()) return Fail("its pickle refers to what it did not remember");
    stack_.push_back(found->second);
  }

  void Put(uint32_t key) {
    const size_t top = Pop();
    if (!why_.empty()) return;
    memo_[key] = top;
    stack_.push_back(top);
  }

  // ---- What is made ----

  void Call() {
    const size_t arguments = Pop(), callable = Pop();
    if (!why_.empty()) return;
    if (values_[callable].kind != Pickle::kGlobal || values_[arguments].kind != Pickle::kList ||
        values_[arguments].items.size() > kMostArguments) {
      return Fail("its pickle calls what is no function of a state dict");
    }
    const std::string name = values_[callable].text;
    const std::vector<size_t> given = values_[arguments].items;
    if (name == kOrderedDict && given.size() <= 1) return PushOrderedDict(given);
    if (RebuildsTensor(name) && given.size() >= 4 && values_[given[0]].kind == Pickle::kStorage) {
      return Push({Pickle::kTensor, 0, "", {given[0], given[1], given[2], given[3]}});
    }
    if (RebuildsParameter(name) && !given.empty() && values_[given[0]].kind == Pickle::kTensor) {
      return stack_.push_back(given[0]);
    }
    Fail(absl::StrCat("its pickle calls ", Shown(name),
                      RebuildsTensor(name) || name == kOrderedDict || RebuildsParameter(name)
                          ? " with other arguments than a state dict has"
                          : ", which no state dict needs: it is not run"));
  }

  // Empty, or of a list of pairs, as Python 2 has it.
  void PushOrderedDict(const std::vector<size_t>& given) {
    Value dict = {Pickle::kDict};
    for (const size_t pair : given.empty() ? given : values_[given[0]].items) {
      if (values_[pair].items.size() != 2)
        return Fail("its pickle makes a dict of other than pairs");
      for (const size_t item : values_[pair].items) dict.items.push_back(item);
    }
    copied_ += dict.items.size();  // of one list, a small pickle could make many
    if (copied_ > kMostValues) return Fail("its pickle has more than a million values");
    Push(std::move(dict));
  }

  static std::string Shown(const std::string& global) {
    return absl::Utf8SafeCEscape(global.substr(0, kLongestName));
  }

  void Global() {
    const absl::string_view module = Line(), name = Line();
    Push({Pickle::kGlobal, 0, absl::StrCat(module, " ", name)});
  }

  void Persistent() {
    const size_t id = Pop();
    if (!why_.empty()) return;
    if (values_[id].kind != Pickle::kList || values_[id].items.size() > kMostArguments)
      return Fail("its pickle refers to no storage");
    Push({Pickle::kStorage, 0, "", values_[id].items});
  }

  // A dict's attributes, such as _metadata of a state dict, say nothing of its weights.
  void Build() {
    Pop();
    if (!why_.empty()) return;
    if (stack_.empty() || values_[stack_.back()].kind != Pickle::kDict) {
      Fail("its pickle sets the state of what has none");
    }
  }

  void Do(int code) {
    switch (code) {
      case 0x80:  // PROTO
        if (Number<uint8_t>() != 2) Fail("its pickle is not of protocol 2");
        return;
      case 'c':
        return Global();
      case 'q':
        return Put(Number<uint8_t>());
      case 'r':
        return Put(Number<uint32_t>());
      case 'h':
        return Get(Number<uint8_t>());
      case 'j':
        return Get(Number<uint32_t>());
      case '(':
        return marks_.push_back(stack_.size());
      case ')':
      case ']':
        return Push({Pickle::kList});
      case '}':
        return Push({Pickle::kDict});
      case 't':
        return Push({Pickle::kList, 0, "", PopToMark()});
      case 0x85:  // TUPLE1 to TUPLE3
      case 0x86:
      case 0x87:
        return PushTuple(code - 0x84);
      case 'N':
        return Push({Pickle::kNone});
      case 0x88:  // NEWTRUE, NEWFALSE
      case 0x89:
        return Push({Pickle::kInteger, code == 0x88});
      case 'J':
        return Push({Pickle::kInteger, Number<int32_t>()});
      case 'K':
        return Push({Pickle::kInteger, Number<uint8_t>()});
      case 'M':
        return Push({Pickle::kInteger, Number<uint16_t>()});
      case 0x8a:  // LONG1
        return Push({Pickle::kInteger, Long()});
      case 'G':
        Bytes(sizeof(double));
        return Push({Pickle::kNumber});
      case 'X':
      case 'T':
        return Push({Pickle::kText, 0, std::string(Bytes(Number<uint32_t>()))});
      case 'U':
        return Push({Pickle::kText, 0, std::string(Bytes(Number<uint8_t>()))});
      case 'R':
        return Call();
      case 'Q':
        return Persistent();
      case 'b':
        return Build();
      case 'a': {
        const size_t item = Pop();
        return Extend(Pickle::kList, {item});
      }
      case 'e':
        return ExtendMarked(Pickle::kList);
      case 's': {
        const size_t value = Pop(), key = Pop();
        return Extend(Pickle::kDict, {key, value});
      }
      case 'u':
        return ExtendMarked(Pickle::kDict);
      default:
        Fail(absl::StrCat("its pickle has the opcode 0x", absl::Hex(code, absl::kZeroPad2),
                          ", which no state dict needs: it is not run"));
    }
  }

  void ExtendMarked(Pickle::Kind kind) {
    const std::vector<size_t> items = PopToMark();
    Extend(kind, items);
  }

  const absl::string_view bytes_;
  size_t& position_;
  std::vector<Value>& values_;
  std::vector<size_t> stack_;  // places of values
  std::vector<size_t> marks_;  // sizes of the stack
  std::map<uint32_t, size_t> memo_;
  size_t copied_ = 0;
  std::string why_;  // what is wrong; "" so far
};

}  // namespace

const Value* Pickle::Find(const Value& dict, absl::string_view key) const {
  if (dict.kind != kDict) return nullptr;
  for (size_t i = 0; i + 1 < dict.items.size(); i += 2) {
    const Value& name = values[dict.items[i]];
    if (name.kind == kText && name.text == key) return &values[dict.items[i + 1]];
  }
  return nullptr;
}

absl::StatusOr<size_t> ReadPickle(absl::string_view bytes, size_t* position, Pickle* pickle) {
  return Machine(bytes, position, pickle).Run();
}

}  // namespace models
