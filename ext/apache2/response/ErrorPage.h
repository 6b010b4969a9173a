#pragma once

#include <string>
#include <string_view>

#include "base/Report.h"

/** What is answered in an application's place when it takes no request. Pure. */
namespace Passenger::ErrorPage {

enum class Format { HTML, JSON, TEXT };

/** What the client likes best, by its Accept header. HTML only where it is asked for by name, as browsers do. */
Format formatFor(std::string_view accept);
const char *contentTypeOf(Format format) noexcept;

/**
 * A page that needs no other file and no script. All that comes from an application is escaped, control characters too: it may be
 * hostile to browsers and terminals.
 *
 * @param reportId under which the log has the rest; may be empty
 * @param report null: nothing is to be shown but the id
 */
std::string render(Format format, int status, std::string_view reportId, const Report *report);

}  // namespace Passenger::ErrorPage
