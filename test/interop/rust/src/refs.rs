//! A file of references: secrets by their names, and the socket that they share.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use capnp::Error;

pub struct Refs {
    pub path: String,
    secrets: HashMap<String, Vec<u8>>,
}

impl Refs {
    pub fn read(file: &str) -> Result<Self, Error> {
        let text = std::fs::read_to_string(file)?;
        let mut read = Self { path: String::new(), secrets: HashMap::new() };
        for line in text.lines() {
            let malformed = || Error::failed("a line of the file of references is malformed".into());
            let (name, printed) = line.split_once(' ').ok_or_else(malformed)?;
            let (place, secret) = printed.split_once('#').ok_or_else(malformed)?;
            let secret = URL_SAFE_NO_PAD.decode(secret).map_err(|_| malformed())?;
            let path = place.strip_prefix("sturdy+unix://").ok_or_else(malformed)?;
            read.secrets.insert(name.into(), secret);
            read.path = percent_encoding::percent_decode_str(path).decode_utf8()?.into_owned();
        }
        Ok(read)
    }

    pub fn has(&self, name: &str) -> bool {
        self.secrets.contains_key(name)
    }

    pub fn secret(&self, name: &str) -> Result<&[u8], Error> {
        let secret = self.secrets.get(name);
        secret.map(Vec::as_slice).ok_or_else(|| Error::failed(format!("the file of references has no {name}")))
    }
}
