// Only derive_claims can make a Claim: a caller can copy and read one, never fill one.
#include <utility>

#include "vauban/claim.h"

vauban::Claim handed_on(const vauban::Claim& claim) { return claim; }
bool is_strong(const vauban::Claim& claim) { return claim.strength() > vauban::Strength::weight_diff; }

#if defined(FAULT_1)  // says: Claim::Claim\(\).* is private
vauban::Claim made_here() { return vauban::Claim(); }
#endif
#if defined(FAULT_2)  // says: Claim::Claim\(\).* is private
vauban::Claim made_with_braces() { return {}; }
#endif
#if defined(FAULT_3)  // says: strength_.* is private
void raised(vauban::Claim& claim) { claim.strength_ = vauban::Strength::model_change_audit; }
#endif
#if defined(FAULT_4)  // says: (assignment of member|lvalue required|not assignable|discards qualifiers|no match for|passing)
void reworded(vauban::Claim& claim) { claim.statement() = "it is safe"; }
#endif
#if defined(FAULT_5)  // says: Claim::Claim\(\).* is private
struct Forged : vauban::Claim {
  Forged() = default;
};
Forged forged;
#endif
