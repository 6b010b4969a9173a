#include "apache2/httpd/CodePin.h"

#include <dlfcn.h>

namespace Passenger {

bool CodePin::pin() noexcept {
    Dl_info info{};
    return dladdr(reinterpret_cast<const void *>(&CodePin::pin), &info) != 0 &&
           dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE) != nullptr;
}

}  // namespace Passenger
