//! The row of a unit: its tensors, the entries that the unit processes, and the sums over the row.

use super::kernel::{Parameters, RowKernel};
use super::plan::Layout;
use burn_cubecl::cubecl;
use burn_cubecl::cubecl::prelude::*;

/// A row, as one of its units sees it.
#[derive(CubeType)]
pub(super) struct Row<E: Float, R: Float, N: Size> {
    logits: Box<[Vector<E, N>]>,
    alpha: ComptimeOption<Box<[f32]>>,
    reference: ComptimeOption<Box<[f32]>>,
    state: Box<[f32]>,
    /// A number for each entry or for each row, as the output has.
    cotangent: ComptimeOption<Box<[E]>>,
    /// The output, or the gradient in the logits.
    entries: ComptimeOption<Box<[Vector<E, N>]>>,
    /// The output, or the gradient in alpha.
    numbers: ComptimeOption<Box<[R]>>,
    reference_gradient: ComptimeOption<Box<[f32]>>,
    pub parameters: Parameters,
    /// The tiles, or the numbers that the units of the row combine and the logits of each unit. The output replaces the
    /// logits.
    pub shared: Shared<[f32]>,
    /// The index of the row, and the index of its first entry in a contiguous tensor.
    pub index: usize,
    base: usize,
    /// The unit among those of the row.
    local: u32,
    /// The first entry of the row in a tile.
    tile_row: u32,
    #[cube(comptime)]
    pub kernel: RowKernel,
}

#[cube]
impl<E: Float, R: Float, N: Size> Row<E, R, N> {
    pub fn new(
        logits: Box<[Vector<E, N>]>,
        alpha: ComptimeOption<Box<[f32]>>,
        reference: ComptimeOption<Box<[f32]>>,
        state: Box<[f32]>,
        cotangent: ComptimeOption<Box<[E]>>,
        entries: ComptimeOption<Box<[Vector<E, N>]>>,
        numbers: ComptimeOption<Box<[R]>>,
        reference_gradient: ComptimeOption<Box<[f32]>>,
        parameters: Parameters,
        #[comptime] kernel: RowKernel,
    ) -> Self {
        let plan = comptime!(kernel.plan);
        let rows = comptime!(plan.rows as usize);
        let index = CUBE_POS * rows + UNIT_POS_Y as usize;
        Row::<E, R, N> {
            logits,
            alpha,
            reference,
            state,
            cotangent,
            entries,
            numbers,
            reference_gradient,
            parameters,
            shared: Shared::<[f32]>::new_slice(comptime!(plan.shared_len().max(1))),
            index,
            base: index * parameters.columns as usize,
            local: UNIT_POS_X,
            // An odd distance, so that the rows begin in different memory banks.
            tile_row: UNIT_POS_Y * (parameters.columns | 1u32),
            kernel,
        }
    }

    /// Whether the unit has a row. The last cube may have more units than rows.
    pub fn exists(&self) -> bool {
        self.index < self.parameters.rows as usize
    }

    /// Whether this unit writes the numbers of the row.
    pub fn is_leader(&self) -> bool {
        self.local == 0u32
    }

    /// The number of entries that the unit processes. A slot may lie beyond the row.
    pub fn slots(&self) -> u32 {
        let plan = comptime!(self.kernel.plan);
        match comptime!(plan.layout) {
            Layout::Tile { .. } => self.parameters.columns,
            Layout::Shared { .. } => self.groups() * comptime!(plan.vector as u32),
            Layout::Streaming => {
                let units = comptime!(plan.units);
                (self.parameters.columns + units - 1u32) / units
            }
        }
    }

    /// The number of groups of neighboring entries that the unit reads together.
    fn groups(&self) -> u32 {
        let plan = comptime!(self.kernel.plan);
        let entries = comptime!(plan.units * plan.vector as u32);
        (self.parameters.columns + entries - 1u32) / entries
    }

    pub fn column_of(&self, slot: u32) -> u32 {
        let plan = comptime!(self.kernel.plan);
        let units = comptime!(plan.units);
        let vector = comptime!(plan.vector as u32);
        match comptime!(plan.layout) {
            Layout::Tile { .. } => slot,
            Layout::Shared { .. } => {
                (self.local + (slot / vector) * units) * vector + slot % vector
            }
            Layout::Streaming => self.local + slot * units,
        }
    }

    /// The logit in a slot.
    pub fn logit(&self, slot: u32) -> f32 {
        match comptime!(self.kernel.plan.layout) {
            Layout::Tile { .. } => self.shared[(self.tile_row + slot) as usize],
            Layout::Shared { .. } => self.shared[self.shared_slot(slot)],
            Layout::Streaming => self.stored_logit(self.column_of(slot)),
        }
    }

    /// The place of a slot in shared memory. The slots of neighboring units are in different memory banks.
    fn shared_slot(&self, slot: u32) -> usize {
        let plan = comptime!(self.kernel.plan);
        let start = comptime!(plan.reduction_len());
        start + (slot * comptime!(plan.units * plan.rows) + UNIT_POS) as usize
    }

    /// The logit of any entry of the row.
    pub fn logit_at(&self, column: u32) -> f32 {
        match comptime!(self.kernel.plan.layout) {
            Layout::Tile { .. } => self.shared[(self.tile_row + column) as usize],
            Layout::Shared { .. } | Layout::Streaming => self.stored_logit(column),
        }
    }

    fn stored_logit(&self, column: u32) -> f32 {
        let at = self.index * self.parameters.logits_stride as usize + column as usize;
        let vector = comptime!(self.kernel.plan.vector);
        f32::cast_from(self.logits[at / vector].extract_dynamic(at % vector))
    }

    /// The reference of an entry, which is `constant` if it is not given.
    pub fn q_at(&self, column: u32, constant: f32) -> f32 {
        let start = self.index * self.parameters.reference_stride as usize;
        #[comptime]
        match &self.reference {
            ComptimeOption::Some(reference) => reference[start + column as usize],
            ComptimeOption::None => constant,
        }
    }

    /// The alpha of the row.
    pub fn alpha(&self) -> f32 {
        let at = self.index * self.parameters.alpha_stride as usize;
        #[comptime]
        match &self.alpha {
            ComptimeOption::Some(alpha) => alpha[at],
            ComptimeOption::None => self.parameters.alpha,
        }
    }

    /// The cotangent of an entry.
    pub fn cotangent_at(&self, column: u32) -> f32 {
        match comptime!(self.kernel.plan.layout) {
            Layout::Tile { entries } => self.shared[(entries + self.tile_row + column) as usize],
            Layout::Shared { .. } | Layout::Streaming => {
                let start = self.index * self.parameters.cotangent_stride as usize;
                self.stored_cotangent(start + column as usize)
            }
        }
    }

    /// The cotangent of the row.
    pub fn row_cotangent(&self) -> f32 {
        let at = self.index * self.parameters.cotangent_stride as usize;
        self.stored_cotangent(at)
    }

    fn stored_cotangent(&self, at: usize) -> f32 {
        #[comptime]
        match &self.cotangent {
            ComptimeOption::Some(cotangent) => f32::cast_from(cotangent[at]),
            ComptimeOption::None => 0.0f32.runtime(),
        }
    }

    /// The state that the forward kernel wrote: the root as a sum of two numbers.
    pub fn root(&self) -> (f32, f32) {
        let at = 2 * self.index;
        (self.state[at], self.state[at + 1])
    }

    pub fn write_root(&mut self, root: f32, low: f32) {
        let at = 2 * self.index;
        if self.is_leader() {
            self.state[at] = root;
            self.state[at + 1] = low;
        }
    }

    /// Sets the output of an entry, or the gradient in its logit.
    pub fn store(&mut self, slot: u32, value: f32) {
        match comptime!(self.kernel.plan.layout) {
            Layout::Tile { entries } => {
                self.shared[(entries + self.tile_row + slot) as usize] = value;
            }
            Layout::Shared { .. } => {
                let at = self.shared_slot(slot);
                self.shared[at] = value;
            }
            Layout::Streaming => {
                let at = self.base + self.column_of(slot) as usize;
                self.write_entry(at, value);
            }
        }
    }

    /// Replaces what [`Self::store`] set in a column.
    pub fn overwrite(&mut self, column: u32, value: f32) {
        for slot in 0..self.slots() {
            if self.column_of(slot) == column {
                self.store(slot, value);
            }
        }
    }

    /// Sets the gradient in the reference of an entry.
    pub fn store_reference(&mut self, slot: u32, value: f32) {
        if comptime!(self.kernel.wanted.reference) {
            match comptime!(self.kernel.plan.layout) {
                // The logit, which it replaces, is no longer needed.
                Layout::Tile { .. } => {
                    self.shared[(self.tile_row + slot) as usize] = value;
                }
                Layout::Shared { .. } | Layout::Streaming => {
                    let at = self.base + self.column_of(slot) as usize;
                    self.write_reference(at, value);
                }
            }
        }
    }

    /// Replaces what [`Self::store_reference`] set in a column.
    pub fn overwrite_reference(&mut self, column: u32, value: f32) {
        if comptime!(self.kernel.wanted.reference) {
            for slot in 0..self.slots() {
                if self.column_of(slot) == column {
                    self.store_reference(slot, value);
                }
            }
        }
    }

    /// Writes the number of the row, if the kernel has such an output.
    pub fn write_number(&mut self, value: f32) {
        let at = self.index;
        if self.is_leader() {
            #[comptime]
            match &mut self.numbers {
                ComptimeOption::Some(numbers) => numbers[at] = R::cast_from(value),
                ComptimeOption::None => {}
            }
        }
    }

    fn write_entry(&mut self, at: usize, value: f32) {
        #[comptime]
        match &mut self.entries {
            ComptimeOption::Some(entries) => entries[at] = Vector::new(E::cast_from(value)),
            ComptimeOption::None => {}
        }
    }

    fn write_reference(&mut self, at: usize, value: f32) {
        #[comptime]
        match &mut self.reference_gradient {
            ComptimeOption::Some(gradient) => gradient[at] = value,
            ComptimeOption::None => {}
        }
    }

    /// Reads the row. All units of a cube must call this function.
    pub fn read(&mut self) {
        match comptime!(self.kernel.plan.layout) {
            Layout::Tile { entries } => self.read_tile(entries),
            Layout::Shared { .. } => self.read_slots(),
            Layout::Streaming => {}
        }
    }

    /// Writes the outputs of the row that are not written yet. All units of a cube must call this function.
    pub fn write(&mut self) {
        match comptime!(self.kernel.plan.layout) {
            Layout::Tile { entries } => self.write_tile(entries),
            Layout::Shared { .. } => self.write_slots(),
            Layout::Streaming => {}
        }
    }

    /// The number of entries in the tile of the cube.
    fn entries_in_tile(&self) -> u32 {
        let rows = comptime!(self.kernel.plan.rows);
        let first = CUBE_POS * rows as usize;
        let left = self.parameters.rows as usize - min(first, self.parameters.rows as usize);
        min(left as u32, rows) * self.parameters.columns
    }

    fn read_tile(&mut self, #[comptime] tile: u32) {
        let rows = comptime!(self.kernel.plan.rows);
        let first = CUBE_POS * rows as usize;
        let columns = self.parameters.columns;
        for i in range_stepped(UNIT_POS, self.entries_in_tile(), rows) {
            let (row, column) = (i / columns, i % columns);
            let at = (row * (columns | 1u32) + column) as usize;
            let index = first + row as usize;
            let logit = index * self.parameters.logits_stride as usize + column as usize;
            self.shared[at] = f32::cast_from(self.logits[logit].extract(0usize));
            if comptime!(self.kernel.output.is_per_entry()) {
                let cotangent = index * self.parameters.cotangent_stride as usize + column as usize;
                self.shared[at + tile as usize] = self.stored_cotangent(cotangent);
            }
        }
        sync_cube();
    }

    fn write_tile(&mut self, #[comptime] tile: u32) {
        let rows = comptime!(self.kernel.plan.rows);
        let columns = self.parameters.columns;
        let first = CUBE_POS * comptime!(rows as usize) * columns as usize;
        sync_cube();
        for i in range_stepped(UNIT_POS, self.entries_in_tile(), rows) {
            let at = ((i / columns) * (columns | 1u32) + i % columns) as usize;
            let value = self.shared[at + tile as usize];
            self.write_entry(first + i as usize, value);
            if comptime!(self.kernel.wanted.reference) {
                let value = self.shared[at];
                self.write_reference(first + i as usize, value);
            }
        }
    }

    fn read_slots(&mut self) {
        let groups = self.groups();
        let vector = comptime!(self.kernel.plan.vector);
        let start = self.index * self.parameters.logits_stride as usize;
        if self.exists() {
            for group in 0..groups {
                let slot = group * comptime!(vector as u32);
                let column = self.column_of(slot);
                if column < self.parameters.columns {
                    let entries = self.logits[(start + column as usize) / vector];
                    #[unroll]
                    for lane in 0..vector {
                        let at = self.shared_slot(slot + comptime!(lane as u32));
                        self.shared[at] = f32::cast_from(entries.extract(lane));
                    }
                }
            }
        }
    }

    fn write_slots(&mut self) {
        let groups = self.groups();
        let vector = comptime!(self.kernel.plan.vector);
        if self.exists() {
            for group in 0..groups {
                let slot = group * comptime!(vector as u32);
                let column = self.column_of(slot);
                if column < self.parameters.columns {
                    let mut values = Vector::<E, N>::empty();
                    #[unroll]
                    for lane in 0..vector {
                        let at = self.shared_slot(slot + comptime!(lane as u32));
                        values.insert(lane, E::cast_from(self.shared[at]));
                    }
                    let at = (self.base + column as usize) / vector;
                    #[comptime]
                    match &mut self.entries {
                        ComptimeOption::Some(entries) => entries[at] = values,
                        ComptimeOption::None => {}
                    }
                }
            }
        }
    }

    /// Sets every output of the kernel for the row to one value.
    pub fn fill(&mut self, value: f32) {
        for slot in 0..self.slots() {
            if self.column_of(slot) < self.parameters.columns {
                self.store(slot, value);
                self.store_reference(slot, value);
            }
        }
        self.write_number(value);
    }
}
