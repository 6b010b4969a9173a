#pragma once

#include <string>

#include "control/ServerStatus.h"

/** A ServerStatus as a page of HTML that needs no other file and no script. Pure functions. All
 *  texts of others are escaped. */
namespace Passenger::StatusPage {

struct View {
    /** The name of the application that the page is about; empty: all. */
    std::string app;
    /** Whether the status has what publicPart() removes. */
    bool details = false;
    /** The nonce of the Content-Security-Policy, for the script that renews the page. Empty: no
     *  script. */
    std::string nonce;
};

std::string render(const ServerStatus &status, const View &view);
/** @return whether the status has the application that the page is about */
bool has(const ServerStatus &status, const View &view);

}  // namespace Passenger::StatusPage
