// The headers of other libraries that most of our source files include. The compiler reads them
// once for a whole build.
//
// Each source file still includes what it uses, or a header that does: builds by clang without
// sanitizers and builds with --disable-precompiled-header have only that. script/lint-includes has
// the names of each header.

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include <fmt/format.h>
#include <tl/expected.hpp>
