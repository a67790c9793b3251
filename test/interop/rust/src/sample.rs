//! The sample: something of every type.

use capnp::Error;

use crate::peer_capnp::{Colour, every, inner};

pub type Result<T> = std::result::Result<T, Error>;

/// Ends a check, or a call, where what was found is something else.
pub fn expect<T: PartialEq + std::fmt::Debug>(at: &str, found: T, wanted: T) -> Result<()> {
    if found == wanted {
        return Ok(());
    }
    Err(Error::failed(format!("{at}: found {found:?}, wanted {wanted:?}")))
}

const BOOLS: [bool; 9] = [true, false, true, true, false, false, false, true, true];
const I8S: [i8; 4] = [i8::MIN, -1, 0, i8::MAX];
const I16S: [i16; 4] = [i16::MIN, -1, 0, i16::MAX];
const I32S: [i32; 4] = [i32::MIN, -1, 0, i32::MAX];
const I64S: [i64; 4] = [i64::MIN, -1, 0, i64::MAX];
const U8S: [u8; 3] = [0, 1, u8::MAX];
const U16S: [u16; 3] = [0, 1, u16::MAX];
const U32S: [u32; 3] = [0, 1, u32::MAX];
const U64S: [u64; 3] = [0, 1, u64::MAX];
const F32S: [f32; 5] = [f32::NEG_INFINITY, -0.0, f32::from_bits(1), f32::MAX, f32::NAN];
const F64S: [f64; 5] = [f64::NEG_INFINITY, -0.0, f64::from_bits(1), f64::MAX, f64::NAN];
const TEXTS: [&str; 3] = ["", "a", "Ω"];
const DATAS: [&[u8]; 3] = [&[], &[0], &[255, 0, 1]];
const COLOURS: [Colour; 3] = [Colour::Red, Colour::Blue, Colour::Green];
const INNERS: [&str; 2] = ["first", "second"];
const LISTS: [&[u16]; 3] = [&[], &[1], &[2, 65535]];
const TEXT: &str = "Grüße, 世界 😀";

fn all_bytes() -> Vec<u8> {
    (0..=255).collect()
}

macro_rules! fill {
    ($value:ident, $($init:ident $values:ident),*) => {$(
        let mut list = $value.reborrow().$init($values.len() as u32);
        for (i, each) in $values.into_iter().enumerate() {
            list.set(i as u32, each);
        }
    )*};
}

/// Everything but the capabilities.
pub fn make(mut value: every::Builder) {
    value.set_nothing(());
    value.set_yes(true);
    value.set_i8(i8::MIN);
    value.set_i16(i16::MIN);
    value.set_i32(i32::MIN);
    value.set_i64(i64::MIN);
    value.set_u8(u8::MAX);
    value.set_u16(u16::MAX);
    value.set_u32(u32::MAX);
    value.set_u64(u64::MAX);
    value.set_f32(1.5);
    value.set_f64(-0.1);
    value.set_text(TEXT);
    value.set_data(&all_bytes());
    value.set_colour(Colour::Blue);
    let mut outer = value.reborrow().init_inner();
    outer.set_name("outer");
    outer.init_inner().set_name("inner");
    value.reborrow().init_nothings(3);
    fill!(value, init_bools BOOLS, init_i8s I8S, init_i16s I16S, init_i32s I32S, init_i64s I64S);
    fill!(value, init_u8s U8S, init_u16s U16S, init_u32s U32S, init_u64s U64S, init_f32s F32S, init_f64s F64S);
    fill!(value, init_texts TEXTS, init_datas DATAS, init_colours COLOURS);
    let mut inners = value.reborrow().init_inners(2);
    for (i, name) in INNERS.into_iter().enumerate() {
        inners.reborrow().get(i as u32).set_name(name);
    }
    let mut lists = value.reborrow().init_lists(3);
    for (i, numbers) in LISTS.into_iter().enumerate() {
        let mut list = lists.reborrow().init(i as u32, numbers.len() as u32);
        for (j, number) in numbers.iter().enumerate() {
            list.set(j as u32, *number);
        }
    }
    let mut group = value.reborrow().init_group();
    group.set_left(7);
    group.set_right("right");
    value.set_word("the active one");
    value.set_preset(42);
    value.get_anything().init_as::<inner::Builder>().set_name("anything");
}

macro_rules! same {
    ($found:ident, $($get:ident $wanted:expr),*) => {$(
        expect(stringify!($get), $found.$get(), $wanted)?;
    )*};
}

macro_rules! same_lists {
    ($found:ident, $($get:ident $wanted:ident),*) => {$(
        let list = $found.$get()?;
        expect(stringify!($get), list.iter().collect::<Vec<_>>(), $wanted.to_vec())?;
    )*};
}

/// Compares with the sample, all but the capabilities.
pub fn check(found: every::Reader) -> Result<()> {
    same!(found, get_yes true, get_i8 i8::MIN, get_i16 i16::MIN, get_i32 i32::MIN, get_i64 i64::MIN);
    same!(found, get_u8 u8::MAX, get_u16 u16::MAX, get_u32 u32::MAX, get_u64 u64::MAX, get_f32 1.5, get_f64 -0.1);
    same!(found, get_preset 42);
    expect("text", found.get_text()?.to_str()?, TEXT)?;
    expect("data", found.get_data()?, &all_bytes()[..])?;
    expect("colour", found.get_colour()?, Colour::Blue)?;
    let outer = found.get_inner()?;
    expect("inner.name", outer.get_name()?.to_str()?, "outer")?;
    let innermost = outer.get_inner()?;
    expect("inner.inner.name", innermost.get_name()?.to_str()?, "inner")?;
    expect("inner.inner.inner", innermost.has_inner(), false)?;
    expect("nothings", found.get_nothings()?.len(), 3)?;
    same_lists!(found, get_bools BOOLS, get_i8s I8S, get_i16s I16S, get_i32s I32S, get_i64s I64S);
    same_lists!(found, get_u8s U8S, get_u16s U16S, get_u32s U32S, get_u64s U64S);
    // Zeros are told apart, and one NaN is taken for another.
    let f32s = found.get_f32s()?.iter().map(|each| if each.is_nan() { f32::NAN } else { each });
    expect("f32s", f32s.map(f32::to_bits).collect::<Vec<_>>(), F32S.map(f32::to_bits).to_vec())?;
    let f64s = found.get_f64s()?.iter().map(|each| if each.is_nan() { f64::NAN } else { each });
    expect("f64s", f64s.map(f64::to_bits).collect::<Vec<_>>(), F64S.map(f64::to_bits).to_vec())?;
    let texts = found.get_texts()?.iter().map(|each| Ok(each?.to_string()?)).collect::<Result<Vec<_>>>()?;
    expect("texts", texts, TEXTS.map(String::from).to_vec())?;
    expect("datas", found.get_datas()?.iter().collect::<Result<Vec<_>>>()?, DATAS.to_vec())?;
    let colours = found.get_colours()?;
    expect("colours", colours.iter().collect::<std::result::Result<Vec<_>, _>>()?, COLOURS.to_vec())?;
    let inners = found.get_inners()?.iter().map(|each| Ok(each.get_name()?.to_string()?));
    expect("inners", inners.collect::<Result<Vec<_>>>()?, INNERS.map(String::from).to_vec())?;
    let lists = found.get_lists()?.iter().map(|each| Ok(each?.iter().collect::<Vec<_>>()));
    expect("lists", lists.collect::<Result<Vec<_>>>()?, LISTS.map(<[u16]>::to_vec).to_vec())?;
    expect("group.left", found.get_group().get_left(), 7)?;
    expect("group.right", found.get_group().get_right()?.to_str()?, "right")?;
    match found.which()? {
        every::Word(word) => expect("word", word?.to_str()?, "the active one")?,
        _ => return Err(Error::failed("another member of the union than word".into())),
    }
    expect("presetText", found.get_preset_text()?.to_str()?, "preset")?;
    let anything: inner::Reader = found.get_anything().get_as()?;
    expect("anything", anything.get_name()?.to_str()?, "anything")
}

/// The bytes 0 to 250, over and over.
pub fn pattern(data: &mut [u8]) {
    for (i, byte) in data.iter_mut().enumerate() {
        *byte = (i % 251) as u8;
    }
}

pub fn is_pattern(data: &[u8]) -> bool {
    data.iter().enumerate().all(|(i, byte)| *byte == (i % 251) as u8)
}
