// Fitting the tables.
#include "activations/piecewise.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "kernels/simd.h"

namespace activations {
namespace {

constexpr int kNodes = Piecewise::kMaxDegree;  // of the slope's interpolation in a piece
constexpr int kChecks = 4;                     // points of a piece between the nodes
// What truncation may add to the rounding of float32: of max(1, |f|), and of the largest slope.
constexpr double kValueTolerance = 1e-7;
constexpr double kSlopeTolerance = 1e-6;
// Frequency x must leave bits for the fraction.
constexpr double kMaxTurns = 1 << 21;

using Polynomial = std::array<double, kNodes>;

struct Piece {
  double center = 0, half = 0;
  // The slope as a Chebyshev series in (p - center) / half, and the values at the nodes.
  Polynomial slope = {}, values = {};
  double steepest = 0;  // |slope| at the nodes
};

double Node(int j) { return std::cos(M_PI * (j + 0.5) / kNodes); }

Piece Sample(const Table& table, double low, double high) {
  Piece piece = {(low + high) / 2, (high - low) / 2};
  Polynomial slopes;
  for (int j = 0; j < kNodes; ++j) {
    const Jet jet = table.function(piece.center + piece.half * Node(j));
    piece.values[j] = jet.value;
    slopes[j] = jet.first;
    piece.steepest = std::max(piece.steepest, std::abs(jet.first));
  }
  for (int k = 0; k < kNodes; ++k) {
    for (int j = 0; j < kNodes; ++j) {
      piece.slope[k] += slopes[j] * std::cos(M_PI * k * (j + 0.5) / kNodes) * 2 / kNodes;
    }
  }
  piece.slope[0] /= 2;
  return piece;
}

double Horner(const Polynomial& coefficients, double u) {
  double sum = 0;
  for (int k = kNodes; k-- > 0;) sum = sum * u + coefficients[k];
  return sum;
}

// The first `terms` of a Chebyshev series as coefficients of powers.
Polynomial Powers(const Polynomial& chebyshev, int terms) {
  Polynomial powers = {}, before = {}, now = {};
  before[0] = 1;  // T_0
  now[1] = 1;     // T_1
  for (int k = 0; k < terms; ++k) {
    const Polynomial& t = k == 0 ? before : now;
    for (int i = 0; i < kNodes; ++i) powers[i] += chebyshev[k] * t[i];
    if (k == 0) continue;
    Polynomial next = {};
    for (int i = 0; i < kNodes; ++i) next[i] = (i > 0 ? 2 * now[i - 1] : 0) - before[i];
    before = now;
    now = next;
  }
  return powers;
}

// The least degree of the value at which truncation is within the tolerances in every piece.
int LeastDegree(const std::vector<Piece>& pieces, double largest_slope, double scale) {
  // What kernels are compiled for.
  for (const int degree : Piecewise::kDegrees) {
    bool enough = true;
    for (const Piece& piece : pieces) {
      double slope = 0, value = 0;
      for (int k = degree; k < kNodes; ++k) {
        slope += std::abs(piece.slope[k]);
        value += std::abs(piece.slope[k]) * piece.half / k;
      }
      enough =
          enough && slope <= kSlopeTolerance * largest_slope && value * scale <= kValueTolerance;
    }
    if (enough) return degree;
  }
  return Piecewise::kMaxDegree;
}

// What pieces are of equal width in, and its inverse.
double PlaceOf(Fold fold, double p) { return fold == Fold::kDense ? p / (2 + std::abs(p)) : p; }
double AtPlace(Fold fold, double place) {
  return fold == Fold::kDense ? 2 * place / (1 - std::abs(place)) : place;
}

class Fitter {
 public:
  explicit Fitter(const Table& table) : table_(table) {
    for (const Table::Use& use : table.uses) scale_ += std::abs(use.amplitude);
  }

  // With so many pieces, those of tails included, and the least degree or kMaxDegree.
  void Fit(int pieces, bool all_degrees) {
    const int first = below() ? 1 : 0;
    const int inner = pieces - first - (above() ? 1 : 0);
    const double start = PlaceOf(table_.fold, table_.low);
    const double width = (PlaceOf(table_.fold, table_.high) - start) / inner;
    pieces_.clear();
    largest_slope_ = 0;
    for (int i = 0; i < inner; ++i) {
      pieces_.push_back(Sample(table_, AtPlace(table_.fold, start + i * width),
                               AtPlace(table_.fold, start + (i + 1) * width)));
      largest_slope_ = std::max(largest_slope_, pieces_.back().steepest);
    }
    fitted_ = {};
    fitted_.fold = table_.fold;
    fitted_.symmetry = table_.symmetry;
    fitted_.pieces = pieces;
    fitted_.degree =
        all_degrees ? Piecewise::kMaxDegree : LeastDegree(pieces_, largest_slope_, scale_);
    fitted_.low = static_cast<float>(start - first * width);
    fitted_.scale = static_cast<float>(1 / width);
    SetRange();
    for (int i = 0; i < inner; ++i) SetPiece(i + first, pieces_[i]);
    if (below()) SetTail(0, table_.low, table_.below);
    if (above()) SetTail(pieces - 1, table_.high, table_.above);
    FindErrors();
  }

  bool accurate() const {
    return value_error_ * scale_ <= 2 * kValueTolerance && slope_error_ <= 2 * kSlopeTolerance;
  }
  const Piecewise::Fitted& fitted() const { return fitted_; }
  double value_error() const { return value_error_; }
  double slope_error() const { return slope_error_; }

 private:
  // Whether a piece of its own lies beyond that end.
  bool below() const { return table_.below != Tail::kExact; }
  bool above() const { return table_.above != Tail::kExact; }

  void SetRange() {
    if (table_.fold == Fold::kUnit) return;  // each use has its own
    if (!below() && table_.fold != Fold::kOdd) fitted_.least = static_cast<float>(table_.low);
    if (!above()) fitted_.most = static_cast<float>(table_.high);
  }

  void SetPiece(int i, const Piece& piece) {
    Polynomial slope = Powers(piece.slope, fitted_.degree);
    double power = 1;
    for (double& coefficient : slope) {
      coefficient /= power;
      power *= piece.half;
    }
    Polynomial integral = {};  // without its last power, which does not fit: see below
    for (int k = 1; k < kNodes; ++k) integral[k] = slope[k - 1] / k;
    const double last = slope[kNodes - 1] / kNodes;
    double constant = 0;
    for (int j = 0; j < kNodes; ++j) {
      const double u = piece.half * Node(j);
      constant += (piece.values[j] - Horner(integral, u) - last * std::pow(u, kNodes)) / kNodes;
    }
    fitted_.centers[i] = static_cast<float>(piece.center);
    fitted_.value[0][i] = static_cast<float>(constant);
    for (int k = 1; k <= fitted_.degree; ++k) {
      fitted_.value[k][i] = static_cast<float>(slope[k - 1] / k);
      fitted_.slope[k - 1][i] = static_cast<float>(slope[k - 1]);
    }
  }

  void SetTail(int i, double end, Tail tail) {
    const Jet jet = table_.function(end);
    const double slope = tail == Tail::kLinear ? jet.first : 0;
    fitted_.centers[i] = static_cast<float>(end);
    fitted_.value[0][i] = static_cast<float>(jet.value);
    fitted_.value[1][i] = fitted_.slope[0][i] = static_cast<float>(slope);
  }

  // Of value and slope between the nodes, with the coefficients as they were rounded.
  void FindErrors() {
    value_error_ = slope_error_ = 0;
    const int first = below() ? 1 : 0;
    for (size_t i = 0; i < pieces_.size(); ++i) {
      for (int check = 0; check < kChecks; ++check) {
        const double p =
            pieces_[i].center + pieces_[i].half * ((check + 0.5) * 2 / kChecks - 1) * 0.999;
        const Jet jet = table_.function(p);
        const double u = p - fitted_.centers[i + first];
        double value = 0, slope = 0;
        for (int k = fitted_.degree; k >= 0; --k) {
          value = value * u + fitted_.value[k][i + first];
          slope = slope * u + fitted_.slope[k][i + first];
        }
        value_error_ = std::max(value_error_,
                                std::abs(value - jet.value) / std::max(1.0, std::abs(jet.value)));
        slope_error_ = std::max(slope_error_, std::abs(slope - jet.first) / largest_slope_);
      }
    }
  }

  const Table& table_;
  double scale_ = 0;  // the sum of the amplitudes
  double largest_slope_ = 0;
  double value_error_ = 0, slope_error_ = 0;
  std::vector<Piece> pieces_;
  Piecewise::Fitted fitted_;
};

// The tables' coefficients times what a use multiplies them with.
Piecewise::Term TermOf(const Piecewise::Fitted& fitted, const Table::Use& use) {
  Piecewise::Term term = {fitted};
  const bool unit = fitted.fold == Fold::kUnit;
  term.frequency = static_cast<float>(use.frequency);
  term.frequency_low = static_cast<float>(use.frequency - term.frequency);
  for (int k = 0; k <= fitted.degree; ++k) {
    for (int i = 0; i < Piecewise::kPieces; ++i) {
      term.table.value[k][i] *= static_cast<float>(use.amplitude);
      term.table.slope[k][i] *= static_cast<float>(use.amplitude * (unit ? use.frequency : 1));
    }
  }
  if (unit) term.table.most = static_cast<float>(kMaxTurns / use.frequency);
  return term;
}

}  // namespace

Piecewise::Piecewise(std::shared_ptr<const SpecialFunction> exact, const std::vector<Table>& tables,
                     double slope, Pieces pieces)
    : exact_(std::move(exact)), slope_(static_cast<float>(slope)) {
  for (const Table& table : tables) {
    Fitter fitter(table);
    // A register of 8 floats finds one of 8 pieces with a third of the instructions.
    const bool few =
        pieces == Pieces::kFew && kernels::ChosenInstructionSet() == kernels::InstructionSet::kAvx2;
    if (few) fitter.Fit(kPieces / 2, false);
    if (!few || !fitter.accurate()) fitter.Fit(kPieces, pieces == Pieces::kAll);
    value_error_ += fitter.value_error();
    slope_error_ = std::max(slope_error_, fitter.slope_error());
    for (const Table::Use& use : table.uses) terms_.push_back(TermOf(fitter.fitted(), use));
  }
}

}  // namespace activations
