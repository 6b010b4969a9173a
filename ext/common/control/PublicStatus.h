#pragma once

#include "control/ServerStatus.h"

namespace Passenger {

/**
 * What anybody may see of a status: no path, pid, user, failure's text or event. If an
 * application's name has its path, only the path's last folder is named, with a hash of the whole
 * name, as in `blog (production) #ecd2fa01`. So a name depends on its application alone: other
 * applications may have the same folder's name, and come and go.
 */
ServerStatus publicPart(ServerStatus status);

}  // namespace Passenger
