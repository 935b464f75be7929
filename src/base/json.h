/// The JSON value with everything needed to use it: the public class and the full Result.
#pragma once

#include "base/result.h"
#include "vauban/json.h"
