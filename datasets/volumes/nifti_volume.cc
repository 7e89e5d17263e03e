// libnifti knows headers, byte orders and orientations; the header is checked before it sees it,
// and the bytes come through zlib, so that no file makes it allocate, print or exit.
#include "datasets/volumes/nifti_volume.h"

#include <fcntl.h>
#include <nifti2_io.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"

namespace datasets {
namespace {

constexpr int64_t kMaxExtent = 1 << 20;  // of one axis, so that products of three stay below 2^63
constexpr int64_t kMaxOffset = 1 << 24;  // of the data; extensions lie before it
constexpr int64_t kDeflateRatio = 1032;  // deflate packs no tighter

absl::Status Refused(const std::string& path, const std::string& why) {
  return absl::InvalidArgumentError(absl::StrCat(path, ": ", why));
}

// A file that may be compressed, read forwards.
class Stream {
 public:
  Stream() = default;
  Stream(const Stream&) = delete;
  ~Stream() {
    if (file_ != nullptr) gzclose_r(file_);
  }

  absl::Status Open(const std::string& path) {
    path_ = path;
    // O_NONBLOCK: a named pipe must not hang the open.
    const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0) return Refused(path, std::strerror(errno));
    struct stat info = {};
    const bool regular = fstat(descriptor, &info) == 0 && S_ISREG(info.st_mode);
    size_ = info.st_size;
    if (regular) file_ = gzdopen(descriptor, "rb");
    if (file_ != nullptr) return absl::OkStatus();
    close(descriptor);
    return Refused(path, regular ? "cannot be opened" : "not a regular file");
  }

  // Of the file, as it is on disk.
  int64_t size() const { return size_; }
  bool compressed() const { return gzdirect(file_) == 0; }
  bool CanHold(int64_t bytes) const {
    return bytes <= (compressed() ? size_ * kDeflateRatio : size_);
  }

  // `what` names the bytes in the error about those that are missing.
  absl::Status Read(void* to, int64_t bytes, const char* what) {
    for (int64_t got = 0; got < bytes;) {
      const auto wanted = static_cast<unsigned>(std::min<int64_t>(bytes - got, 1 << 24));
      const int count = gzread(file_, static_cast<char*>(to) + got, wanted);
      if (count < 0) return Damaged();
      if (count == 0) {
        int code = Z_OK;
        gzerror(file_, &code);
        if (code != Z_OK) return Damaged();
        return Refused(path_, absl::StrCat("cut short in the ", what));
      }
      got += count;
    }
    return absl::OkStatus();
  }

  absl::Status SkipTo(int64_t offset) {
    return gzseek(file_, offset, SEEK_SET) == offset ? absl::OkStatus() : Damaged();
  }

  // Where the data end with the file, zlib compares its checksum.
  absl::Status CheckEnd() {
    char next;
    int code = Z_OK;
    const int count = gzread(file_, &next, 1);
    gzerror(file_, &code);
    return count < 0 || code != Z_OK ? Damaged() : absl::OkStatus();
  }

 private:
  absl::Status Damaged() const {
    int code = Z_OK;
    const std::string why = gzerror(file_, &code);
    return Refused(path_, code == Z_BUF_ERROR
                              ? "cut short: the gzip data have no end"
                              : absl::StrCat("damaged gzip data", code == Z_DATA_ERROR ? "" : why));
  }

  std::string path_;
  int64_t size_ = 0;
  gzFile file_ = nullptr;
};

struct FreeImage {
  void operator()(nifti_image* image) const { nifti_image_free(image); }
};

struct Header {
  std::array<int64_t, 8> dim = {};
  int datatype = 0;
  int64_t offset = 0;
  bool swapped = false;
  std::unique_ptr<nifti_image, FreeImage> image;  // what libnifti makes of it
};

absl::Status CheckExtents(const std::string& path, const Header& header,
                          const VolumeLimits& limits) {
  const auto& dim = header.dim;
  if (dim[0] < 1 || dim[0] > 7) return Refused(path, absl::StrCat(dim[0], " dimensions"));
  for (int i = 1; i <= dim[0]; ++i) {
    if (dim[i] < (i <= 3 ? 1 : 0)) return Refused(path, absl::StrCat("an extent of ", dim[i]));
  }
  if (dim[0] < 3) return Refused(path, "a picture, not a volume of three dimensions");
  for (int i = 4; i <= dim[0]; ++i) {
    if (dim[i] <= 1) continue;
    return Refused(path,
                   absl::StrCat("has ", dim[i], " volumes; a file of its own for each is read"));
  }
  const std::string extents = absl::StrCat(dim[1], "x", dim[2], "x", dim[3], " voxels");
  if (std::max({dim[1], dim[2], dim[3]}) > kMaxExtent ||
      dim[1] * dim[2] * dim[3] > limits.max_voxels) {
    return Refused(path, absl::StrCat(extents, ", more than max_voxels (", limits.max_voxels, ")"));
  }
  return absl::OkStatus();
}

template <class T>
double Value(const char* at) {
  T value;
  std::memcpy(&value, at, sizeof(value));
  return static_cast<double>(value);
}

// How a voxel becomes a number.
struct Type {
  int64_t bytes = 0;  // 0: not a real number
  double (*value)(const char*) = nullptr;
};

Type TypeOf(int datatype) {
  switch (datatype) {
    case DT_UINT8:
      return {1, Value<uint8_t>};
    case DT_INT8:
      return {1, Value<int8_t>};
    case DT_INT16:
      return {2, Value<int16_t>};
    case DT_UINT16:
      return {2, Value<uint16_t>};
    case DT_INT32:
      return {4, Value<int32_t>};
    case DT_UINT32:
      return {4, Value<uint32_t>};
    case DT_INT64:
      return {8, Value<int64_t>};
    case DT_UINT64:
      return {8, Value<uint64_t>};
    case DT_FLOAT32:
      return {4, Value<float>};
    case DT_FLOAT64:
      return {8, Value<double>};
    default:
      return {};
  }
}

// Fills `header` from a header of either version; its byte order shows in its own size, which comes
// first.
template <class Raw>
absl::Status Parse(const std::string& path, Raw raw, int version, Header* header) {
  header->swapped = raw.sizeof_hdr != static_cast<int>(sizeof(Raw));
  if (header->swapped) swap_nifti_header(&raw, version);
  const bool known = version == 1 ? std::memcmp(raw.magic, "n+1", 4) == 0
                                  : std::memcmp(raw.magic, "n+2\0\r\n\032\n", 8) == 0;
  if (!known) {
    const bool pair = std::memcmp(raw.magic, version == 1 ? "ni1" : "ni2", 4) == 0;
    return Refused(path, pair ? "the header of a .hdr and .img pair; a single .nii is read"
                              : "not NIfTI: no magic number in the header");
  }
  std::copy_n(raw.dim, header->dim.size(), header->dim.begin());
  header->datatype = raw.datatype;
  const auto offset = static_cast<double>(raw.vox_offset);
  if (!(offset >= sizeof(Raw) + 4 && offset <= kMaxOffset)) {
    return Refused(path, absl::StrCat("data at byte ", offset));
  }
  header->offset = static_cast<int64_t>(offset);
  return absl::OkStatus();
}

absl::Status ReadHeader(Stream* stream, const std::string& path, const VolumeLimits& limits,
                        Header* header) {
  nifti_1_header first;
  nifti_2_header second;
  absl::Status status = stream->Read(&first, sizeof(first), "header");
  if (!status.ok()) return status;
  int size = first.sizeof_hdr;
  if (size != sizeof(first) && size != sizeof(second)) nifti_swap_4bytes(1, &size);
  if (size == sizeof(first)) {
    status = Parse(path, first, 1, header);
  } else if (size == sizeof(second)) {
    std::memcpy(&second, &first, sizeof(first));
    status = stream->Read(reinterpret_cast<char*>(&second) + sizeof(first),
                          sizeof(second) - sizeof(first), "header");
    if (status.ok()) status = Parse(path, second, 2, header);
  } else {
    return Refused(path, "not NIfTI: it does not begin with the size of a header");
  }
  if (!status.ok()) return status;
  status = CheckExtents(path, *header, limits);
  if (!status.ok()) return status;
  if (TypeOf(header->datatype).bytes == 0) {
    return Refused(path, absl::StrCat("voxels of type ", nifti_datatype_string(header->datatype),
                                      "; real numbers of at most 64 bits are read"));
  }
  header->image.reset(size == sizeof(first) ? nifti_convert_n1hdr2nim(first, nullptr)
                                            : nifti_convert_n2hdr2nim(second, nullptr));
  if (header->image == nullptr) return Refused(path, "libnifti refuses its header");
  return absl::OkStatus();
}

bool Finite(const nifti_dmat44& matrix) {
  for (const auto& row : matrix.m) {
    if (!std::all_of(std::begin(row), std::end(row), [](double x) { return std::isfinite(x); })) {
      return false;
    }
  }
  return true;
}

// What the header says of the axes, if anything.
std::optional<Orientation> OrientationOf(const nifti_image& image) {
  if (image.sform_code <= 0 && image.qform_code <= 0) return {};
  const nifti_dmat44& matrix = image.sform_code > 0 ? image.sto_xyz : image.qto_xyz;
  if (!Finite(matrix)) return {};
  std::array<int, 3> directions = {};
  nifti_dmat44_to_orientation(matrix, &directions[0], &directions[1], &directions[2]);
  Orientation found;
  std::array<bool, 3> seen = {};
  for (int i = 0; i < 3; ++i) {
    const int to = directions[i];
    const int place = to == NIFTI_L2R || to == NIFTI_R2L   ? 0
                      : to == NIFTI_P2A || to == NIFTI_A2P ? 1
                      : to == NIFTI_I2S || to == NIFTI_S2I ? 2
                                                           : -1;
    if (place < 0 || seen[place]) return {};  // a degenerate matrix
    seen[place] = true;
    found.axis[place] = i;
    found.flipped[place] = to == NIFTI_L2R || to == NIFTI_P2A || to == NIFTI_S2I;
  }
  return found;
}

// Where stored voxels go: the step of each stored axis in Volume::voxels, and the place of the
// first.
struct Places {
  std::array<int64_t, 3> step = {};
  int64_t first = 0;
};

Places PlacesIn(const Volume& volume) {
  const std::array<int64_t, 3> extent = {volume.columns, volume.rows, volume.slices};
  const std::array<int64_t, 3> step = {1, volume.columns, volume.columns * volume.rows};
  Places places;
  for (int i = 0; i < 3; ++i) {
    const bool flipped = volume.orientation.flipped[i];
    places.step[volume.orientation.axis[i]] = flipped ? -step[i] : step[i];
    if (flipped) places.first += step[i] * (extent[i] - 1);
  }
  return places;
}

// Reads a stored plane at a time, so that little but the volume itself is held.
absl::Status ReadVoxels(Stream* stream, const Header& header, Volume* volume) {
  const Type type = TypeOf(header.datatype);
  const int64_t nx = header.dim[1], ny = header.dim[2], nz = header.dim[3];
  // A slope of 0 means that there is none; libnifti gives 0 for one that is not finite, too.
  const bool scaled = header.image->scl_slope != 0;
  const double slope = scaled ? header.image->scl_slope : 1;
  const double inter = scaled ? header.image->scl_inter : 0;
  const Places places = PlacesIn(*volume);
  std::vector<char> plane(nx * ny * type.bytes);
  for (int64_t z = 0; z < nz; ++z) {
    const absl::Status status =
        stream->Read(plane.data(), static_cast<int64_t>(plane.size()), "voxels");
    if (!status.ok()) return status;
    if (header.swapped && type.bytes > 1) {
      nifti_swap_Nbytes(nx * ny, static_cast<int>(type.bytes), plane.data());
    }
    const char* at = plane.data();
    for (int64_t y = 0; y < ny; ++y) {
      float* to = volume->voxels.data() + places.first + y * places.step[1] + z * places.step[2];
      for (int64_t x = 0; x < nx; ++x, at += type.bytes, to += places.step[0]) {
        *to = static_cast<float>(type.value(at) * slope + inter);
      }
    }
  }
  return stream->CheckEnd();
}

}  // namespace

absl::StatusOr<Volume> ReadNiftiVolume(const std::string& path, const VolumeLimits& limits,
                                       const std::optional<Orientation>& unsaid) {
  // libnifti's own messages would go to stderr; ours are statuses.
  static const bool quiet = (nifti_set_debug_level(0), true);
  static_cast<void>(quiet);
  Stream stream;
  absl::Status status = stream.Open(path);
  if (!status.ok()) return status;
  Header header;
  status = ReadHeader(&stream, path, limits, &header);
  if (!status.ok()) return status;
  Volume volume;
  volume.orientation = OrientationOf(*header.image).value_or(unsaid.value_or(Orientation()));
  const auto extent = [&](int place) { return header.dim[1 + volume.orientation.axis[place]]; };
  volume.columns = extent(0), volume.rows = extent(1), volume.slices = extent(2);
  const int64_t pixels = volume.columns * volume.rows;
  if (pixels > limits.max_pixels) {
    return Refused(path, absl::StrCat("slices of ", volume.columns, "x", volume.rows,
                                      " pixels, more than max_pixels (", limits.max_pixels, ")"));
  }
  const int64_t bytes = pixels * volume.slices * TypeOf(header.datatype).bytes;
  if (!stream.CanHold(header.offset + bytes)) {
    return Refused(path, absl::StrCat("cut short: ", stream.size(), " bytes cannot hold ", bytes,
                                      " bytes of voxels"));
  }
  volume.voxels.resize(pixels * volume.slices);
  status = stream.SkipTo(header.offset);
  if (status.ok()) status = ReadVoxels(&stream, header, &volume);
  if (!status.ok()) return status;
  return volume;
}

}  // namespace datasets
