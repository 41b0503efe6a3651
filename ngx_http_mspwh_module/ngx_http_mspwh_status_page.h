
/* made by tools/status-page from status.html; not to be changed by hand */


#ifndef _NGX_HTTP_MSPWH_STATUS_PAGE_H_INCLUDED_
#define _NGX_HTTP_MSPWH_STATUS_PAGE_H_INCLUDED_


#define NGX_HTTP_MSPWH_STATUS_PAGE_POLICY \
    "default-src 'none'; " \
    "connect-src 'self'; " \
    "img-src data:; " \
    "style-src 'sha256-dmGyvGZcaHLVl8F21PiAZNbmtzho1GfI/CmoxxDrdUc='; " \
    "script-src 'sha256-UMiZTiQr0FF55ddnk1Z5lOwLZaLuS6v607IsXWuuzbo='; " \
    "base-uri 'none'; " \
    "form-action 'none'"


static const char  ngx_http_mspwh_status_page[] =
    "<!doctype html>\n"
    "<html lang=\"en\">\n"
    "<title>Webhooks</title>\n"
    "<style>body{font:1rem sans-serif}</style>\n"
    "<script>\n"
    "\"use strict\";\n"
    "</script>\n";


#endif /* _NGX_HTTP_MSPWH_STATUS_PAGE_H_INCLUDED_ */
