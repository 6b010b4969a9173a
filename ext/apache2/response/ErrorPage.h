#pragma once

#include <string>
#include <string_view>

#include "base/Report.h"

/** The page that a client gets when the application does not take its request. Pure functions. */
namespace Passenger::ErrorPage {

enum class Format { HTML, JSON, TEXT };
/** Why the application does not take the request. */
enum class Cause { NOT_FOUND, NOT_STARTED, BUSY };

/** The format that the Accept header of the client prefers. HTML only if the header names it, as
 *  browsers do. */
Format formatFor(std::string_view accept);
const char *contentTypeOf(Format format) noexcept;

/**
 * Makes a page that needs no other file and no script. All text of an application is escaped, with
 * its control characters, since it may be harmful to browsers and terminals.
 *
 * @param reportId the id under which the log has the details; may be empty
 * @param report null: the page shows only the id
 */
std::string render(Format format, Cause cause, int status, std::string_view reportId, const Report *report);

}  // namespace Passenger::ErrorPage
