#pragma once

#include "apache2/config/Directive.h"
#include "apache2/httpd/Httpd.h"

namespace Passenger {

/** The place of a directive that has set a member of Settings. In an APR pool. */
struct Origin {
    const Directives::Directive *directive;
    const char *file;
    int line;
    /** The one that counted before this one; null: none. */
    const Origin *earlier;
};

/** Where settings come from. Recorded only by an httpd that explains a URL and serves nothing. */
namespace Origins {

/** Called when httpd loads the module, before directives are read: looks for the define. */
void prepare() noexcept;
/** Null: nothing is to be explained. Lives as long as the process. */
const char *url() noexcept;

/** The directive has just set its member of `settings`. */
void note(const cmd_parms *cmd, const Directives::Directive &directive, Settings &settings);
/** The origins of an outer place, overridden by those of an inner place. */
const Origin *merge(apr_pool_t *pool, const Origin *outer, const Origin *inner) noexcept;

}  // namespace Origins

}  // namespace Passenger
