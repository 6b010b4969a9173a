#pragma once

namespace Passenger::CodePin {

/** Keeps the module's code loaded until the process ends: a child that ends unloads its modules
 *  while its other threads still run. Not in httpd's parent, which loads another version at a
 *  reload. @return false: the code cannot be kept, so no thread may be started */
bool pin() noexcept;

}  // namespace Passenger::CodePin
