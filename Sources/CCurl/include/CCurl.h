// libcurl from the system: the only HTTP client.
#ifndef CCURL_H
#define CCURL_H

#include <curl/curl.h>

#if LIBCURL_VERSION_NUM < 0x075800
#error "libcurl 7.88 or newer is needed; run ./taskw deps:install"
#endif

// Swift cannot call variadic functions; one function per option, with that option's exact type.
CURLcode CCurl_set_url(CURL *easy, const char *url);
CURLcode CCurl_set_protocols(CURL *easy, const char *names);
CURLcode CCurl_set_redirect_protocols(CURL *easy, const char *names);
CURLcode CCurl_set_no_signal(CURL *easy, long on);
CURLcode CCurl_set_quick_exit(CURL *easy, long on);
CURLcode CCurl_set_http_version(CURL *easy, long version);
CURLcode CCurl_set_http_get(CURL *easy, long on);
CURLcode CCurl_set_post(CURL *easy, long on);
CURLcode CCurl_set_post_size(CURL *easy, curl_off_t byte_count);
CURLcode CCurl_set_headers(CURL *easy, struct curl_slist *headers);
CURLcode CCurl_set_buffer_size(CURL *easy, long byte_count);
CURLcode CCurl_set_connect_timeout(CURL *easy, long milliseconds);
CURLcode CCurl_set_total_timeout(CURL *easy, long milliseconds);
CURLcode CCurl_set_connection_age_max(CURL *easy, long seconds);
CURLcode CCurl_set_ssl_version(CURL *easy, long version);
CURLcode CCurl_set_verify_peer(CURL *easy, long on);
CURLcode CCurl_set_verify_host(CURL *easy, long level);
CURLcode CCurl_set_ca_file(CURL *easy, const char *path);
CURLcode CCurl_set_pinned_public_key(CURL *easy, const char *pins);
CURLcode CCurl_set_client_certificate(CURL *easy, const char *path);
CURLcode CCurl_set_client_key(CURL *easy, const char *path);
CURLcode CCurl_set_proxy(CURL *easy, const char *url);
CURLcode CCurl_set_suppress_connect_headers(CURL *easy, long on);
CURLcode CCurl_set_error_buffer(CURL *easy, char *buffer);

// Callbacks, all with the same context.
typedef size_t (*CCurl_write)(char *bytes, size_t size, size_t count, void *context);
typedef size_t (*CCurl_read)(char *bytes, size_t size, size_t count, void *context);
typedef int (*CCurl_seek)(void *context, curl_off_t offset, int origin);
CURLcode CCurl_set_callbacks(
    CURL *easy, void *context, CCurl_write body, CCurl_write header, CCurl_read read, CCurl_seek seek);

CURLMcode CCurl_multi_set_connections_max(CURLM *multi, long count);

CURLcode CCurl_get_request_size(CURL *easy, long *byte_count);
CURLcode CCurl_get_http_version(CURL *easy, long *version);
CURLcode CCurl_get_verify_result(CURL *easy, long *result);

// CURLVERSION_NOW is a macro with a cast, which Swift does not import.
const curl_version_info_data *CCurl_version(void);

// The rest of a CURLMsg is a union, whose fields depend on the kind.
int CCurl_message_is_done(const CURLMsg *message);
CURLcode CCurl_message_result(const CURLMsg *message);

#endif
