#include "rights/LoaderVariables.h"

#include <strings.h>

#include <algorithm>
#include <array>

namespace Passenger::LoaderVariables {

namespace {

/**
 * From ld.so(8), ruby(1), node(1), python(1), bash(1), zsh(1), perlrun(1), java(1), openssl-env(7),
 * the manuals of Bundler, RubyGems, Bootsnap, gunicorn, uvicorn, uWSGI, Flask, JRuby, Lua, Mix,
 * .NET and version managers. A name with a star stands for all with this beginning.
 */
constexpr std::array NAMES = std::to_array<std::string_view>({
    // clang-format off
    "LD_*", "GLIBC_*", "MALLOC_*", "GCONV_PATH", "LOCPATH", "OPENSSL_CONF", "OPENSSL_MODULES", "OPENSSL_ENGINES",
    "RUBYOPT", "RUBYLIB", "RUBYSHELL", "RUBY_ROOT", "GEM_*", "BUNDLE_*", "BUNDLER_*", "BOOTSNAP_CACHE_DIR",
    "NODE_*", "PYTHON*", "PERL*",
    "RBENV_*", "PYENV_*", "NODENV_*", "NVM_*", "N_PREFIX", "FNM_*", "VOLTA_*", "ASDF_*", "MISE_*",
    "PATH", "HOME", "SHELL", "BASH_ENV", "ENV", "BASH_FUNC*", "SHELLOPTS", "IFS", "ZDOTDIR",
    "JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "JAVA_OPTS", "JAVA_HOME", "JAVACMD", "JRUBY_HOME",
    "JRUBY_OPTS", "CLASSPATH", "PHPRC", "PHP_INI_SCAN_DIR", "LUA_*", "ERL_*", "ELIXIR_*", "MIX_*",
    "RELEASE_VM_ARGS", "RELEASE_REMOTE_VM_ARGS", "RELEASE_SYS_CONFIG", "RELEASE_BOOT_SCRIPT*", "RELEASE_ROOT",
    "RELEASE_PROG", "DOTNET_*", "CORECLR_*", "ASPNETCORE_*",
    "RUBYGEMS_*", "GUNICORN_*", "UVICORN_*", "HYPERCORN_*", "UWSGI_*", "FLASK_*", "XDG_*",
    "LIBMYSQL_*", "MARIADB_PLUGIN_DIR", "SASL_*", "KRB5_CONFIG", "ODBC*", "GIO_*", "MAGICK_*", "GIT_*",
    "SSL_CERT_*", "SSLKEYLOGFILE", "DJANGO_SETTINGS_MODULE",
    "RAILS_ENV", "RACK_ENV", "WSGI_ENV", "PASSENGER_APP_ENV",
    "PASSENGER_NATIVE", "PASSENGER_PRELOAD_BUNDLER",
    // clang-format on
});

/** npm takes its options from variables of any case. */
constexpr std::string_view NPM = "npm_config_";

}  // namespace

bool has(std::string_view name) noexcept {
    if (name.size() >= NPM.size() && strncasecmp(name.data(), NPM.data(), NPM.size()) == 0) {
        return true;
    }
    return std::any_of(NAMES.begin(), NAMES.end(), [name](std::string_view pattern) {
        return pattern.ends_with('*') ? name.starts_with(pattern.substr(0, pattern.size() - 1)) : name == pattern;
    });
}

}  // namespace Passenger::LoaderVariables
