// Only derive_claims can make a Claim: a caller can copy and read one, never fill one.
#include <utility>

#include "vauban/claim.h"

vauban::Claim handed_on(const vauban::Claim& claim) { return claim; }
bool is_strong(const vauban::Claim& claim) { return claim.strength() > vauban::Strength::weight_diff; }

#if defined(FAULT_1)  // says: is private|private constructor
vauban::Claim made_here() { return vauban::Claim(); }
#endif
#if defined(FAULT_2)  // says: is private|private constructor
vauban::Claim made_with_braces() { return {}; }
#endif
#if defined(FAULT_3)  // says: strength_.* is (a )?private
void raised(vauban::Claim& claim) { claim.strength_ = vauban::Strength::model_change_audit; }
#endif
#if defined(FAULT_4)  // says: no match for|no viable overloaded
void reworded(vauban::Claim& claim) { claim.statement() = "it is safe"; }
#endif
#if defined(FAULT_5)  // says: is private|private constructor
struct Forged : vauban::Claim {
  Forged() = default;
};
Forged forged;
#endif
