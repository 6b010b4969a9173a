#pragma once

#include "control/ServerStatus.h"

namespace Passenger {

/**
 * What anybody may see of a status: no path, pid, user, failure's text or event. If an
 * application's name has its path, only the path's last folder is named, as in `blog (production)`.
 * Equal names get a part that tells them apart and does not change.
 */
ServerStatus publicPart(ServerStatus status);

}  // namespace Passenger
