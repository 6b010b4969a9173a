#include "apache2/request/FairnessText.h"

#include <apr_siphash.h>

#include <cstring>
#include <string_view>
#include <tuple>

#include "apache2/config/FairnessSource.h"
#include "apache2/config/Settings.h"
#include "apache2/request/ClientNetwork.h"
#include "apache2/request/VerifiedUser.h"

namespace Passenger {

namespace {

using Kind = FairnessSource::Kind;

/** Null or empty: the request has no value of this kind. */
const char *valueOf(const request_rec *r, const FairnessSource &source) {
    switch (source.kind) {
        case Kind::USER: return VerifiedUser::of(r);
        case Kind::HEADER: return apr_table_get(r->headers_in, source.name);
        case Kind::VARIABLE: return apr_table_get(r->subprocess_env, source.name);
        case Kind::OFF:
        case Kind::CLIENT: break;
    }
    return nullptr;
}

std::string_view addressOf(const request_rec *r) noexcept {
    const apr_sockaddr_t *address = r->useragent_addr;
    if (address == nullptr || address->ipaddr_ptr == nullptr || address->ipaddr_len <= 0) {
        return r->useragent_ip != nullptr ? r->useragent_ip : "";
    }
    return {static_cast<const char *>(address->ipaddr_ptr), static_cast<std::size_t>(address->ipaddr_len)};
}

/** The first byte keeps a value, which the client may choose, from being the address of another
 *  client. */
std::string_view marked(const request_rec *r, char mark, std::string_view value) {
    auto *text = static_cast<char *>(apr_palloc(r->pool, value.size() + 1));
    text[0] = mark;
    value.copy(text + 1, value.size());
    return {text, value.size() + 1};
}

}  // namespace

std::function<std::uint64_t(const FairnessKey::Secret &)> fairnessHash(const request_rec *r) {
    const auto source = FairnessSource::parse(Settings::of(r).fairnessKey);
    if (!source || source->kind == Kind::OFF) {
        return {};
    }
    static_assert(std::tuple_size_v<FairnessKey::Secret> == APR_SIPHASH_KSIZE);
    const char *value = valueOf(r, *source);
    const std::string_view text =
        value != nullptr && *value != '\0' ? marked(r, 'v', value) : marked(r, 'a', clientNetwork(addressOf(r)));
    return [text](const FairnessKey::Secret &secret) {
        return std::uint64_t{apr_siphash24(text.data(), text.size(), secret.data())};
    };
}

}  // namespace Passenger
