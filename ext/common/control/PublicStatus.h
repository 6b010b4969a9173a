#pragma once

#include "control/ServerStatus.h"

namespace Passenger {

/**
 * What anybody may see of a status: no path, pid, user, failure's text or event. An application
 * whose name has its path is named by the path's last folder, as in `blog (production)`; names
 * that would be the same get a part that tells them apart and stays the same.
 */
ServerStatus publicPart(ServerStatus status);

}  // namespace Passenger
