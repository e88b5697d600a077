/* One key and signature of each curve, made with openssl genpkey and openssl
 * dgst -sha256 -sign. */
#ifndef MG_TESTS_CRYPTO_VECTORS_H
#define MG_TESTS_CRYPTO_VECTORS_H

#include "crypto/verify.h"

#define SIGNED_TEXT "OCMF|{\"FV\":\"1.4\",\"note\":\"a payload to be signed\"}"

static const struct {
    const char *spki, *signature; /* hex of the DER */
} crypto_vectors[MG_N_CURVES] = {
    [MG_CURVE_SECP192K1] =
        {
            .spki = "3046301006072a8648ce3d020106052b8104001f033200049755dd1488"
                    "7297b5"
                    "eb290d7490832784e479810e8b8b7812db039089588ce2bb20b23a6e74"
                    "2b9c3b"
                    "e22aa51d97e7f037",
            .signature = "3034021872f0f80dcc1da9987228c56fd9258731f9b62a509e034"
                         "536021826a1"
                         "39da20f6963888292cbc028229550ca07c97bdc04418",
        },
    [MG_CURVE_SECP256K1] =
        {
            .spki = "3056301006072a8648ce3d020106052b8104000a0342000420145f090f"
                    "cc3890"
                    "11f89e8a1a476e9278c82192e130392b6d2984e807a596d1bdca3ee665"
                    "f7cdab"
                    "136fab89da8ce665e2d63f0db66d6ebf586f313e51e6917c",
            .signature = "3046022100c6f46438413e67b34af83e6f2924745cb349cb4d154"
                         "218945339cf"
                         "aba7c89528022100fe11b3d7852190bae71147d2829902bac917b"
                         "9d50444a218"
                         "2b60e8f9aa960e9e",
        },
    [MG_CURVE_SECP192R1] =
        {
            .spki = "3049301306072a8648ce3d020106082a8648ce3d03010103320004d490"
                    "cb1342"
                    "66a62cf5cb9a638268ee2e345ff08af46a41a783a39522ddd206b56203"
                    "8cc295"
                    "7914a36c41566c29708c09",
            .signature = "3036021900e68da8abac0016519a1203ccc778f29af216fcc73b5"
                         "a156a021900"
                         "e18d0b6bc721cdf5cdb1c0511880c3d72ce69d2fb35a90d7",
        },
    [MG_CURVE_SECP256R1] =
        {
            .spki = "3059301306072a8648ce3d020106082a8648ce3d03010703420004a980"
                    "71bb49"
                    "dd32f08be15804cc8236e91300eaa3496922f273a41011eb2473850dd4"
                    "cb3779"
                    "605ddbe54dea28a0cf06d33a44f6e91c06cb331d8e340a97e178af",
            .signature = "30440220551bcf20106eecc45c536928f5a70a9653f6ac2b51eaf"
                         "8e122517a80"
                         "fcb1c56702205132fd1bc6bb3b8dd9436b6f61beea5f5d30ff2e1"
                         "c5f57720741"
                         "77986155193c",
        },
    [MG_CURVE_BRAINPOOL256R1] =
        {
            .spki = "305a301406072a8648ce3d020106092b24030302080101070342000488"
                    "cfffc9"
                    "1b8419529e32bc414b70010b22613ad044b8abe33fbef98d9238b1193e"
                    "1cb569"
                    "eee4a40a4705ffe7f473071c960705130a132bbc20aa38caa6582494",
            .signature = "3045022072890f12ab1f314751949de74a7d01892664333b0c06b"
                         "c976eea764e"
                         "b9997e5a022100a9dda6abc193b27c81c6996ccda25c3fed46b07"
                         "6be5e8c7c52"
                         "6102ecb0f8f972",
        },
    [MG_CURVE_SECP384R1] =
        {
            .spki = "3076301006072a8648ce3d020106052b8104002203620004db73de6ac5"
                    "9200fe"
                    "bb0cc86aee3f296a3fd262e981dd53088841e4b02af9b10ca316a1598a"
                    "d81ff9"
                    "0fef5485c5db51c94a2a233ea11da882800474a13db854029c018cb581"
                    "452e1a"
                    "5c28805911ca9f5a914937d98f7fe40bb931c532e02f0c1b",
            .signature = "3066023100d4c63b84a060622d8065f5011ee1cb7720f9b09aee9"
                         "6d346048267"
                         "f17f1d1fa2d1f19db52c246f48cb44840a33ec084f023100fbb16"
                         "54507937a7a"
                         "7c95c132b27b7899ce5a202bb5ff3719aa7fd0b935e6a3ab4d59a"
                         "3c588903901"
                         "717f8a84d3cd54d9",
        },
    [MG_CURVE_BRAINPOOL384R1] =
        {
            .spki = "307a301406072a8648ce3d020106092b240303020801010b036200043d"
                    "2b737b"
                    "129ebf3edb7a96ac020d6f138b473d62a3de8697d0b3dff23f3e380809"
                    "f68057"
                    "b8c30b72dcaf0454095e24e41d354eb578bed09a831a25fd96592dc5e9"
                    "c3669c"
                    "83b1a278aeeb081fe7d29500a1d1a0a42336c94211050f86654df515",
            .signature = "306402301462037580b2815518bd8eccce86d856a7a66413651ff"
                         "1f6a3f47bc4"
                         "03bba6db6d407107deb1d7495b1d13f433e2d138023042e8abd94"
                         "93a278879c7"
                         "e3fef3891a7612d2b79fcae45b783eab39c6f648bab6e194277ad"
                         "14cafd1fb7e"
                         "f98fd02bcf1b",
        },
};

#endif
