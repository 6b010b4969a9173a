#pragma once

#include <optional>

#include "apache2/config/Directive.h"

namespace Passenger::Directives::NumberValue {

/**
 * Reads the value of a directive that sets a number, as the form of its field wants it. All
 * durations have the same units, and so have all sizes; a number without a unit has that of the
 * form.
 * @param pool of the result
 * @return what is allowed, if this value is not; else null
 */
const char *read(const Field &field, std::optional<int> &target, const char *value, apr_pool_t *pool);

}  // namespace Passenger::Directives::NumberValue
